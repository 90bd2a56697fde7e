//! Guests that go wrong, and what the crash report says of them.

use crate::program::Folder;

/// Where raw kernels are loaded.
const START: usize = 0x8_0000;

fn kernel(folder: &Folder, parts: &[(usize, &[u32])]) {
    let end = parts.iter().map(|(at, words)| at + 4 * words.len()).max().unwrap_or(0);
    let mut image = vec![0; end];
    for (at, words) in parts {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        image[*at..*at + bytes.len()].copy_from_slice(&bytes);
    }
    folder.file("k", &image);
}

/// The code of an ELF file as a raw image: its first segment.
fn raw_image(elf: &[u8]) -> Vec<u8> {
    let word = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().expect("eight bytes")) as usize;
    let program = word(32);
    let (offset, bytes) = (word(program + 8), word(program + 32));
    elf[offset..offset + bytes].to_vec()
}

#[test]
fn a_call_through_a_bad_pointer_is_found_by_name_and_line() {
    let folder = Folder::new();
    folder.file("crash.elf", tayberry_guest::CRASH_ELF);
    for mode in ["", "--deterministic --jit off"] {
        let run = folder.headless(&format!("{mode} --timeout 60 --crash-report report crash.elf")).expect(4);
        let report = folder.text("report");
        assert!(run.stderr.starts_with(&report) && report.starts_with("tayberry: crash report: core 0 is lost"), "{}", run.stderr);
        for words in [
            "a jump to nowhere: there is no RAM at 0x50000000",
            "VBAR_EL2 was never set",
            "EL2 to EL2 at 0x50000000: instruction abort: external abort",
            "; it began with: instruction abort: external abort (nothing answers there) at 0x50000000\n",
            "LR at the first fault 0x8003c <read_block+0x14> guest/crash/crash.c:",
            "<mount+0xc> guest/crash/crash.c:16\n",
            "<main+0x10> guest/crash/crash.c:21\n",
            "0x80038 -> 0x50000000\n",
            "0x80074 -> 0x80048 <mount> guest/crash/crash.c:",
            "SPSR_EL2  0x00000000000003c9  EL2h, nzcv, masked DAIF",
        ] {
            assert!(report.contains(words), "{words}: {report}");
        }
        assert!(
            run.stderr.lines().last().is_some_and(|line| line.starts_with("tayberry: the guest cannot go on: core 0: ")),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn a_raw_image_has_names_if_its_elf_file_is_given() {
    let folder = Folder::new();
    folder.file("crash.elf", tayberry_guest::CRASH_ELF);
    folder.file("crash.img", &raw_image(tayberry_guest::CRASH_ELF));
    let run = folder.headless("--deterministic --timeout 60 crash.img").expect(4);
    assert!(!run.stderr.contains("<mount") && run.stderr.contains("give --symbols FILE.elf"), "{}", run.stderr);
    let run = folder.headless("--deterministic --timeout 60 --symbols crash.elf crash.img").expect(4);
    assert!(run.stderr.contains("<mount+0xc> guest/crash/crash.c:16\n"), "{}", run.stderr);
    folder.headless("--symbols crash.img crash.img").unusable("no ELF file");
    folder.headless("--symbols none crash.img").unusable("--symbols");
}

#[test]
fn while_other_cores_go_on_the_machine_does() {
    let folder = Folder::new();
    // mov x0, #0xe0 ; adr x1, 1f ; str x1, [x0] ; sev ; mov x2, #0x50000000 ; br x2 ; 1: nop ; b 1b
    kernel(&folder, &[(0, &[0xd280_1c00, 0x1000_00a1, 0xf900_0001, 0xd503_209f, 0xd2aa_0002, 0xd61f_0040, 0xd503_201f, 0x17ff_ffff])]);
    for mode in ["", "--deterministic"] {
        let run = folder.headless(&format!("{mode} --max-instructions 500000000 --timeout 60 --cores 2 --stats stats.json k")).expect(0);
        assert!(run.stderr.starts_with("tayberry: crash report: core 0 goes nowhere, the others go on"), "{}", run.stderr);
        assert_eq!(run.stderr.matches("crash report").count(), 1, "told once: {}", run.stderr);
        let stats: serde_json::Value = serde_json::from_slice(&folder.read("stats.json")).expect("JSON");
        assert!(stats["instructions"][1].as_u64().is_some_and(|ran| ran > 100_000_000), "{stats}");
    }
}

#[test]
fn a_handler_that_returns_to_the_fault_is_told_of_and_goes_on() {
    let folder = Folder::new();
    // adr x0, 0x80800 ; msr vbar_el2, x0 ; isb ; udf. The handler: eret.
    kernel(&folder, &[(0, &[0x1000_4000, 0xd51c_c000, 0xd503_3fdf, 0]), (0xa00, &[0xd69f_03e0])]);
    let run = folder.headless("--deterministic --max-instructions 1000000 k").expect(0);
    assert!(run.stderr.starts_with("tayberry: crash report: core 0 goes nowhere, it seems"), "{}", run.stderr);
    assert!(
        run.stderr.contains("the handler returns to what faults again") && run.stderr.contains("zeroed memory at 0x8000c"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.matches("crash report").count(), 1, "told once");
}

#[test]
fn exceptions_within_exceptions_with_a_moving_stack_end_the_run_when_nothing_else_lives() {
    let folder = Folder::new();
    // As above, with no stack. The handler: sub sp, sp, #256 ; str x0, [sp], which has no end: the address space above 2^40 is large.
    kernel(&folder, &[(0, &[0x1000_4000, 0xd51c_c000, 0xd503_3fdf, 0]), (0xa00, &[0xd104_03ff, 0xf900_03e0, 0xd69f_03e0])]);
    let run = folder.headless("--deterministic --timeout 100 k").expect(4);
    let [first, second] = [0, 1].map(|n| run.stderr.split("tayberry: crash report: ").nth(n + 1).unwrap_or_default());
    assert!(first.starts_with("core 0 goes nowhere, it seems") && second.starts_with("core 0 is lost"), "{}", run.stderr);
    assert!(first.contains("exceptions within exceptions: data abort"), "{first}");
    assert!(first.contains("the stack pointer of EL2 was never set"), "{first}");
    assert!(first.contains(&format!("at {:#x}", START + 0xa04)), "{first}");
}

#[test]
fn a_secondary_core_that_is_released_to_the_wrong_place_says_so() {
    let folder = Folder::new();
    // mov x0, #0xe8 ; mov x1, #0x4000 ; str x1, [x0] ; sev ; b .
    kernel(&folder, &[(0, &[0xd280_1d00, 0xd288_0001, 0xf900_0001, 0xd503_209f, 0x1400_0000])]);
    let run = folder.headless("--deterministic --timeout 60 k").expect(4);
    assert!(
        run.stderr.contains("core 2 is lost") && run.stderr.contains("released by its slot of the spin table at 0xe8 to 0x4000"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("ran into zeroed memory at 0x4000"), "{}", run.stderr);
}

#[test]
fn a_run_without_a_crash_leaves_an_empty_report() {
    let folder = Folder::new();
    folder.file("report", b"of another run");
    kernel(&folder, &[(0, &[0x1400_0000])]);
    let run = folder.headless("--max-instructions 1000 --crash-report report k").expect(0);
    assert_eq!((run.stderr.as_str(), folder.text("report").as_str()), ("", ""));
}
