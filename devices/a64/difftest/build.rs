//! Builds the shim to LLVM's disassembler, if it is asked for.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "sweep")]
    sweep();
}

/// Compiles the shim with the flags of `llvm-config` (or `$LLVM_CONFIG`), and links LLVM.
#[cfg(feature = "sweep")]
fn sweep() {
    println!("cargo:rerun-if-changed=src/sweep/llvm.cc");
    println!("cargo:rerun-if-env-changed=LLVM_CONFIG");
    let program = std::env::var("LLVM_CONFIG").unwrap_or_else(|_| "llvm-config".into());
    let ask = |arguments: &[&str]| {
        let output = std::process::Command::new(&program).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}: LLVM's development files are needed"));
        assert!(output.status.success(), "{program} {arguments:?} failed");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .include(ask(&["--includedir"]))
        .flag("-fno-exceptions")
        .flag("-fno-rtti")
        .flag_if_supported("-Wno-unused-parameter")
        .opt_level(2)
        .warnings(false)
        .file("src/sweep/llvm.cc")
        .compile("tayberry_llvm");
    println!("cargo:rustc-link-search=native={}", ask(&["--libdir"]));
    for library in ask(&["--link-shared", "--libs", "aarch64disassembler", "aarch64desc", "aarch64info", "mc"]).split_whitespace() {
        println!("cargo:rustc-link-lib=dylib={}", library.trim_start_matches("-l"));
    }
}
