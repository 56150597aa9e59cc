#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    penstock_fuzz::run("tls_client_hello", data);
});
