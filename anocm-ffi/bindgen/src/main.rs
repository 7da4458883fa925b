//! UniFFI's bindings generator, in the version of the library's UniFFI crate. A separate crate, so
//! that none of it is linked into the library.

fn main() {
    uniffi::uniffi_bindgen_main();
}
