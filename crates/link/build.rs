//! Compiles the protocol file in pure Rust, so that no `protoc` is needed on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/transport.proto"], ["proto"])?;
    tonic_prost_build::configure().build_transport(false).bytes(".").compile_fds(files)?;
    println!("cargo:rerun-if-changed=proto/transport.proto");
    Ok(())
}
