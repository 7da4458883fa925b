#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| anocm_fuzz::store_ops(bytes));
