#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| anocm_fuzz::ws_frames(bytes));
