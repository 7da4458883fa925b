// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "talk",
    platforms: [.macOS(.v13)],
    dependencies: [
        // Put together by tools/bindings.
        .package(name: "Anocm", path: "../../target/bindings/Anocm")
    ],
    targets: [
        .executableTarget(name: "talk", dependencies: [.product(name: "Anocm", package: "Anocm")])
    ]
)
