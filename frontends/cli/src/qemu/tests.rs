//! Command lines of QEMU's, and what they come to.

use super::translate::{Run, Translated, translate};
use super::*;
use crate::args::SerialTarget;

/// Words between blanks; `~` is a blank within a word.
fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(|word| word.replace('~', " ").into()).collect()
}

fn run(line: &str) -> Result<Run, String> {
    match translate(&words(line)).map_err(|error| error.to_string())? {
        Translated::Run(run) => Ok(*run),
        Translated::Text(text) => Err(text),
    }
}

#[test]
fn what_command_lines_become() {
    let table = [
        ("-M raspi3b -kernel k", "--frontend auto --serial stdio --serial null -- k"),
        ("-machine raspi3b --kernel k --display none", "--frontend headless --serial null --serial null -- k"),
        ("-machine type=raspi3b,accel=tcg -kernel k -nographic", "--frontend headless --serial stdio --serial null -- k"),
        ("-M raspi3 -cpu cortex-a53 -m 1G -smp 4 -kernel k -nographic", "--frontend headless --serial stdio --serial null --cores 4 -- k"),
        ("-M raspi3b -m 1024 -smp cpus=2 -kernel k -nographic", "--frontend headless --serial stdio --serial null --cores 2 -- k"),
        ("-M raspi3b -kernel k -display none -serial stdio", "--frontend headless --serial stdio --serial null -- k"),
        ("-M raspi3b -kernel k -display none -serial null -serial mon:stdio", "--frontend headless --serial null --serial stdio -- k"),
        (
            "-M raspi3b -kernel k -display none -serial none -serial file:u.txt",
            "--frontend headless --serial null --serial file:u.txt -- k",
        ),
        (
            "-M raspi3b -kernel k -display none -chardev stdio,id=c,mux=on -serial chardev:c -monitor none",
            "--frontend headless --serial stdio --serial null -- k",
        ),
        (
            "-M raspi3b -kernel k -display none -chardev file,path=a,,b,id=f -serial chardev:f",
            "--frontend headless --serial file:a,b --serial null -- k",
        ),
        ("-M raspi3b -kernel k -nodefaults -display gtk", "--frontend desktop --serial null --serial null -- k"),
        ("-M raspi3b -kernel k -display curses -serial null", "--frontend terminal --serial null --serial null -- k"),
        (
            "-M raspi3b -kernel k -nographic -append a=b~c -dtb d -initrd i",
            "--frontend headless --serial stdio --serial null --append a=b~c --dtb d --initrd i -- k",
        ),
        (
            "-M raspi3b -kernel k -nographic -drive file=sd.img,if=sd,format=raw",
            "--frontend headless --serial stdio --serial null --sd sd.img --sd-writable -- k",
        ),
        ("-M raspi3b -kernel k -nographic -sd s -snapshot", "--frontend headless --serial stdio --serial null --sd s -- k"),
        (
            "-M raspi3b -kernel k -nographic -drive file=s,format=raw,readonly=on",
            "--frontend headless --serial stdio --serial null --sd s -- k",
        ),
        (
            "-M raspi3b -kernel k -nographic -drive file=s,if=none,id=x,format=raw -device sd-card,drive=x",
            "--frontend headless --serial stdio --serial null --sd s --sd-writable -- k",
        ),
        ("-M raspi3b -kernel k -nographic card.img", "--frontend headless --serial stdio --serial null --sd card.img --sd-writable -- k"),
        (
            "-M raspi3b -kernel k -nographic -d int,guest_errors,unimp -D log",
            "--frontend headless --serial stdio --serial null --trace exceptions,interrupts,unimplemented --trace-file log -- k",
        ),
        ("-M raspi3b -kernel k -nographic -D log", "--frontend headless --serial stdio --serial null -- k"),
        ("-M raspi3b -kernel k -nographic -semihosting", "--frontend headless --serial stdio --serial null --semihosting . -- k"),
        (
            "-M raspi3b -kernel k -nographic -semihosting-config enable=on,target=native",
            "--frontend headless --serial stdio --serial null --semihosting . -- k",
        ),
        ("-M raspi3b -kernel k -nographic -semihosting-config enable=off", "--frontend headless --serial stdio --serial null -- k"),
        ("-M raspi3b -kernel k -nographic -icount shift=auto", "--frontend headless --serial stdio --serial null --deterministic -- k"),
        ("-M raspi3b -kernel k -nographic -singlestep", "--frontend headless --serial stdio --serial null --jit off -- k"),
        ("-M raspi3b -kernel k -nographic -usb -device usb-kbd", "--frontend headless --serial stdio --serial null --keyboard usb -- k"),
        ("-M raspi3b -kernel k -nographic -s", "--frontend headless --serial stdio --serial null --gdb :1234 --gdb-nowait -- k"),
        ("-M raspi3b -kernel k -nographic -s -S", "--frontend headless --serial stdio --serial null --gdb :1234 -- k"),
        (
            "-M raspi3b -kernel k -nographic -gdb tcp:127.0.0.1:99,server -S",
            "--frontend headless --serial stdio --serial null --gdb 127.0.0.1:99 -- k",
        ),
        (
            "-M raspi3b -kernel k -nographic --timeout 5 --screenshot=a.png",
            "--frontend headless --serial stdio --serial null --timeout 5 --screenshot=a.png -- k",
        ),
        ("-M raspi3b -device loader,file=f.elf,cpu-num=0 -nographic", "--frontend headless --serial stdio --serial null -- f.elf"),
    ];
    for (line, expected) in table {
        let run = run(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(run.warnings, [""; 0], "{line}");
        let expected: Vec<String> = expected.split(' ').map(|word| word.replace('~', " ")).collect();
        assert_eq!(run.arguments[1..], expected, "{line}");
    }
}

#[test]
fn what_has_no_meaning_is_said_once_each() {
    let kernel = "-M raspi3b -kernel k -nographic";
    let table = [
        ("-netdev user,id=n -device usb-net,netdev=n", 2),
        ("-rtc base=utc -audiodev none,id=a -L /usr/share/qemu", 3),
        ("-usb -nodefaults -no-user-config -vga none -parallel none -name x -accel tcg", 0),
        ("-no-shutdown -k de -full-screen -pidfile p -boot c -trace x -plugin p", 7),
        ("-d in_asm,cpu,int", 2),
        ("-monitor stdio -qmp tcp::1 -mon m", 3),
        ("-cpu max -accel kvm -enable-kvm", 3),
        ("-serial null -serial null -serial null", 1),
        ("-device bcm2835-foo", 1),
        ("-action reboot=shutdown,panic=none", 1),
        ("-uuid 1 -smbios x -object rng,id=r -g 640x480", 4),
    ];
    for (line, count) in table {
        let run = run(&format!("{kernel} {line}")).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(run.warnings.len(), count, "{line}: {:?}", run.warnings);
        assert!(run.warnings.iter().all(|warning| warning.lines().count() == 1 && warning.contains("ignored")), "{:?}", run.warnings);
    }
}

#[test]
fn what_cannot_be_done_is_refused_in_one_line() {
    let table = [
        ("-kernel k", "machine"),
        ("-M virt -kernel k", "virt"),
        ("-M raspi2b -kernel k", "raspi2b"),
        ("-M type=raspi4b -kernel k", "raspi4b"),
        ("-M raspi3b", "-kernel"),
        ("-M raspi3b -kernel", "-kernel: requires an argument"),
        ("-M raspi3b -kernel k -foo", "-foo: invalid option"),
        ("-M raspi3b -kernel k --foo", "--foo: invalid option"),
        ("-M raspi3b -kernel k -m 2G", "1 GiB"),
        ("-M raspi3b -kernel k -m lots", "size"),
        ("-M raspi3b -kernel k -smp 8", "4 cores"),
        ("-M raspi3b -kernel k -serial tcp:localhost:1234", "tcp:localhost:1234"),
        ("-M raspi3b -kernel k -serial pty", "pty"),
        ("-M raspi3b -kernel k -serial chardev:x", "\"x\""),
        ("-M raspi3b -kernel k -chardev socket,id=x,port=1", "socket"),
        ("-M raspi3b -kernel k -serial stdio -serial mon:stdio", "stdio"),
        ("-M raspi3b -kernel k -drive file=a,if=ide", "if=ide"),
        ("-M raspi3b -kernel k -drive file=a.qcow2,format=qcow2", "qcow2"),
        ("-M raspi3b -kernel k -sd a -sd b", "one slot"),
        ("-M raspi3b -kernel k -cdrom a", "-cdrom"),
        ("-M raspi3b -kernel k -S", "-S"),
        ("-M raspi3b -kernel k -gdb unix:x", "-gdb"),
        ("-M raspi3b -kernel k -d nonsense", "nonsense"),
        ("-M raspi3b -kernel k -icount shift=7,rr=record", "rr=record"),
        ("-M raspi3b -kernel k -daemonize", "-daemonize"),
        ("-M raspi3b -kernel k -display vnc=:1", "-display"),
        ("-M raspi3b -kernel k -device loader,addr=1", "loader"),
        ("-M raspi3b -kernel k -device loader,file=a,cpu-num=4", "core 4"),
        ("-M raspi3b -kernel k -device sd-card,drive=x", "\"x\""),
        ("-M raspi3b -kernel k -loadvm x", "-loadvm"),
    ];
    for (line, word) in table {
        let error = run(line).expect_err(line);
        assert!(error.contains(word) && error.lines().count() == 1, "{line}: {error}");
    }
}

#[test]
fn texts() {
    assert!(run("-M help").expect_err("a text").contains("raspi3b"));
    assert!(run("-machine help").expect_err("a text").contains("raspi3b"));
    assert!(run("--version").expect_err("a text").contains(env!("CARGO_PKG_VERSION")));
    assert!(run("-cpu help").expect_err("a text").contains("cortex-a53"));
    assert!(run("-d help").expect_err("a text").contains("guest_errors"));
    assert!(run("-help").expect_err("a text").contains("-kernel"));
}

#[test]
fn loaders_and_what_else_is_qemus_alone() {
    let options = run("-M raspi3b -kernel k -nographic -no-reboot -device loader,file=a,,b,addr=0x100000,force-raw=on -device \
         loader,addr=0x20,data=0x11223344,data-len=2,data-be=on -device loader,addr=010,cpu-num=3 -semihosting-config enable=on,arg=x,arg=y")
    .expect("good")
    .options;
    assert!(options.has_kernel && options.no_reboot && !options.is_firmware);
    assert_eq!(options.semihosting_arguments.as_deref(), Some("x y"));
    let loader = |content, address, core, raw| Loader { content, address: Some(address), core, raw };
    assert_eq!(
        options.loaders,
        [
            loader(Content::File("a,b".into()), 0x10_0000, None, true),
            loader(Content::Bytes(vec![0x33, 0x44]), 0x20, None, false),
            loader(Content::Nothing, 8, Some(3), false),
        ]
    );
    assert!(run("-M raspi3b -bios b -nographic").expect("good").options.is_firmware);
}

#[test]
fn a_makefiles_line_becomes_a_configuration() {
    let line = "-M raspi3b -kernel kernel8.img -serial null -serial mon:stdio -display none -drive file=sd.img,if=sd,format=raw -usb \
         -d int,guest_errors -D log -semihosting -smp 4 -m 1G -append a=b -dtb x.dtb -initrd i -nographic -no-reboot -icount shift=0";
    let asked = parse(&words(line)).expect("good");
    let Asked::Run { parsed, warnings } = asked else { panic!("it is a run") };
    let Parsed::Run(config) = *parsed else { panic!("it is a run") };
    assert_eq!(warnings, [""; 0]);
    assert_eq!(config.kernel, Some("kernel8.img".into()));
    assert_eq!(config.serial, [SerialTarget::Null, SerialTarget::Stdio, SerialTarget::Null]);
    assert_eq!((config.sd, config.sd_writable), (Some("sd.img".into()), true));
    assert_eq!((config.append.as_deref(), config.dtb, config.initrd), (Some("a=b"), Some("x.dtb".into()), Some("i".into())));
    assert_eq!((config.cores, config.deterministic, config.trace_file), (4, true, Some("log".into())));
    assert_eq!(config.semihosting.and_then(|access| access.files), Some(".".into()));
    assert!(config.qemu.is_some_and(|options| options.no_reboot && options.has_kernel));
}

#[test]
fn the_programs_name_or_the_first_word_says_so() {
    let asked = |line: &str| arguments(&words(line)).map(<[OsString]>::len);
    assert_eq!(asked("tayberry qemu -M raspi3b"), Some(2));
    assert_eq!(asked("/usr/bin/qemu-system-aarch64 -M raspi3b"), Some(2));
    assert_eq!(asked("qemu-system-aarch64"), Some(0));
    assert_eq!(asked("tayberry kernel8.img"), None);
    assert_eq!(asked("tayberry ./qemu"), None);
}
