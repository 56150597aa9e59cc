#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    penstock_fuzz::run("link_packets", data);
});
