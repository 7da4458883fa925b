// swift-tools-version:6.0
import PackageDescription

// The library itself: an XCFramework where there is Xcode, a shared library beside the program
// elsewhere. Both, and what is in Sources/AnocmGenerated, are made by tools/bindings.
#if os(Linux)
let library = Target.target(
    name: "AnocmFFI",
    publicHeadersPath: ".",
    linkerSettings: [.linkedLibrary("anocm_ffi")]
)
#else
let library = Target.binaryTarget(name: "AnocmFFI", path: "AnocmFFI.xcframework")
#endif

let package = Package(
    name: "Anocm",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "Anocm", targets: ["Anocm"])],
    targets: [
        library,
        .target(
            name: "AnocmGenerated",
            dependencies: ["AnocmFFI"],
            // What UniFFI writes keeps its state in global variables.
            swiftSettings: [.swiftLanguageMode(.v5)]
        ),
        .target(name: "Anocm", dependencies: ["AnocmGenerated"]),
        .testTarget(name: "AnocmTests", dependencies: ["Anocm"]),
    ]
)
