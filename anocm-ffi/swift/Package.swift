// swift-tools-version:6.0
import PackageDescription

// The native library: an XCFramework on Apple platforms, a shared library next to the program on
// Linux. Both, and the contents of Sources/AnocmGenerated, are built by tools/bindings.
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
            // The code that UniFFI generates keeps its state in global variables.
            swiftSettings: [.swiftLanguageMode(.v5)]
        ),
        .target(name: "Anocm", dependencies: ["AnocmGenerated"]),
        .testTarget(name: "AnocmTests", dependencies: ["Anocm"]),
    ]
)
