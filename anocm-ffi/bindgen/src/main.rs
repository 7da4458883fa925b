//! UniFFI's generator, of the same version as the library's own part of it. A crate by itself, so
//! that nothing of it gets into the library.

fn main() {
    uniffi::uniffi_bindgen_main();
}
