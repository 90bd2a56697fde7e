//! QEMU's command lines as Makefiles have them; beside QEMU itself where it is there.

use crate::program::{Ended, Folder};
use std::process::{Command, Stdio};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("tree.img", tayberry_guest::TREE);
    folder.file("storm.img", tayberry_guest::STORM);
    folder.file("semihost.img", tayberry_guest::SEMIHOST);
    folder.file("levels.elf", &levels());
    folder.file("card.img", &[0; 1 << 20]);
    folder
}

/// A kernel that prints each core's number and exception level, and whether x0 is 0, in turn, then exits with 7 by semihosting. At 0x80000.
fn levels() -> Vec<u8> {
    const CODE: [u32; 31] = [
        0xd538_00b4, // mrs x20, mpidr_el1
        0x9240_0694, // and x20, x20, #3
        0xb400_0080, // cbz x0, 1f
        0x5280_0dc2, // mov w2, #'n'
        0x1400_0003, // b 2f
        0xd503_201f, // nop
        0x5280_0f42, // 1: mov w2, #'z'
        0x1000_0325, // 2: adr x5, turn (0x80080)
        0xc8df_fca6, // 3: ldar x6, [x5]
        0xeb14_00df, // cmp x6, x20
        0x54ff_ffc1, // b.ne 3b
        0xd2a7_e401, // mov x1, #0x3f200000
        0x9140_0421, // add x1, x1, #0x1000
        0x1100_c283, // add w3, w20, #'0'
        0xb900_0023, // str w3, [x1]
        0xd538_4244, // mrs x4, CurrentEL
        0xd342_fc84, // lsr x4, x4, #2
        0x1100_c084, // add w4, w4, #'0'
        0xb900_0024, // str w4, [x1]
        0xb900_0022, // str w2, [x1]
        0x9100_04c6, // add x6, x6, #1
        0xc89f_fca6, // stlr x6, [x5]
        0xf100_10df, // cmp x6, #4
        0x5400_0060, // b.eq 4f
        0xd503_205f, // wfe
        0x17ff_ffff, // b .-4
        0x5280_0300, // 4: mov w0, #0x18
        0x1000_0121, // adr x1, block (0x80090)
        0xd45e_0000, // hlt #0xf000
        0xd503_205f, // wfe
        0x17ff_ffff, // b .-4
    ];
    let mut body: Vec<u8> = CODE.iter().flat_map(|word| word.to_le_bytes()).collect();
    body.resize(0x80, 0);
    body.extend([0u64, 0, 0x2_0026, 7].iter().flat_map(|word| word.to_le_bytes()));
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0".to_vec();
    file.extend([0x8_0000u64, 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    file.extend([0u8, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    file.extend([1u32, 7].iter().flat_map(|word| word.to_le_bytes()));
    file.extend([120u64, 0x8_0000, 0x8_0000, body.len() as u64, body.len() as u64, 8].iter().flat_map(|word| word.to_le_bytes()));
    file.extend(body);
    file
}

fn ours(folder: &Folder, line: &str) -> Ended {
    Ended::of(folder.tayberry(["qemu"].into_iter().chain(line.split_whitespace()).chain(["--timeout", "60"])))
}

/// The same line with QEMU, if it is there.
fn theirs(folder: &Folder, line: &str) -> Option<Ended> {
    let mut command = Command::new("qemu-system-aarch64");
    command.args(line.split_whitespace()).current_dir(folder.path("")).stdin(Stdio::null());
    match command.output() {
        Ok(output) => Some(Ended::from(output)),
        Err(_) => {
            println!("skipped: no qemu-system-aarch64");
            None
        }
    }
}

#[test]
fn an_elf_file_starts_on_all_cores_in_el3_as_in_qemu() {
    let folder = folder();
    let line = "-M raspi3b -kernel levels.elf -display none -serial stdio -semihosting";
    let run = ours(&folder, line).expect(7);
    assert_eq!(run.stdout, "03z13z23z33z");
    if let Some(qemu) = theirs(&folder, line) {
        assert_eq!((qemu.stdout, qemu.status), (run.stdout, run.status));
    }
}

#[test]
fn a_raw_kernel_that_switches_off_ends_with_0() {
    let folder = folder();
    let run = ours(&folder, "-M raspi3b -kernel tree.img -nographic -monitor none -append quiet").expect(0);
    assert!(run.stdout.contains("tree: done"), "{}", run.stdout);
}

#[test]
fn a_reset_ends_the_run_where_it_is_to() {
    /// Core 0 prints an R and has the watchdog reset the board (PM_WDOG, PM_RSTC).
    const RESETS: [u32; 15] = [
        0xd538_00a3,
        0xf240_047f,
        0x5400_0161,
        0xd2a7_e400,
        0x9140_0400,
        0x5280_0a41,
        0xb900_0001,
        0xd2a7_e200,
        0x52ab_4001,
        0x1100_2822,
        0xb900_2402,
        0x1100_8022,
        0xb900_1c02,
        0xd503_205f,
        0x17ff_ffff,
    ];
    let folder = folder();
    folder.file("reset.img", &RESETS.map(u32::to_le_bytes).concat());
    let line = "-M raspi3b -kernel reset.img -display none -serial stdio -no-reboot";
    let run = ours(&folder, line).expect(0);
    assert_eq!(run.stdout, "R");
    if let Some(qemu) = theirs(&folder, line) {
        assert_eq!((qemu.stdout, qemu.status), (run.stdout, run.status));
    }
    // Without the option it goes on and on.
    let words = "qemu -M raspi3b -kernel reset.img -display none -serial stdio --timeout 1".split(' ');
    let again = Ended::of(folder.tayberry(words)).expect(0);
    assert!(again.stdout.len() > 1 && again.stdout.bytes().all(|byte| byte == b'R'), "{}", again.stdout.len());
}

#[test]
fn a_makefiles_line_whole() {
    let folder = folder();
    let run = ours(
        &folder,
        "-M raspi3b -m 1G -smp 4 -cpu cortex-a53 -kernel semihost.img -serial null -serial mon:stdio -display none -drive file=card.img,if=sd,format=raw \
         -usb -d int,guest_errors -D log -semihosting -append semihost.exit=11 -no-reboot -nographic -icount shift=0 -rtc base=utc",
    )
    .expect(11);
    assert_eq!(run.stdout, "[console]\n");
    let said: Vec<&str> = run.stderr.lines().collect();
    assert!(said.len() == 1 && said[0].contains("-rtc is ignored"), "{said:?}");
    assert!(folder.text("log").contains("EL2 returns to EL1"));
}

#[cfg(unix)]
#[test]
fn a_link_with_qemus_name() {
    let folder = folder();
    let program = folder.tayberry([] as [&str; 0]).get_program().to_owned();
    let link = folder.path("qemu-system-aarch64");
    std::os::unix::fs::symlink(program, &link).expect("a link");
    let mut command = Command::new(&link);
    command.args("-M raspi3b -kernel levels.elf -display none -serial stdio -semihosting".split(' ')).current_dir(folder.path(""));
    command.stdin(Stdio::null());
    assert_eq!(Ended::of(command).expect(7).stdout, "03z13z23z33z");
    let mut command = Command::new(&link);
    command.args(["-M", "virt", "-kernel", "tree.img"]).current_dir(folder.path(""));
    let refused = Ended::of(command).expect(2);
    assert!(refused.stderr.lines().count() == 1 && refused.stderr.contains("virt"), "{}", refused.stderr);
}
