//! What is typed without anybody there: at the serial port, and at the USB keyboard of a guest that drives it by hand.

use crate::program::{Ended, Folder};

const TEXT: &str = "Hello, World! 1+2=3 ~{}|";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("usbkbd.img", tayberry_guest::USBKBD);
    folder.file("echo.img", tayberry_guest::ECHO);
    folder
}

fn run(folder: &Folder, args: &[&str]) -> Ended {
    Ended::of(folder.tayberry(["--frontend", "headless", "--timeout", "120"].iter().chain(args)))
}

#[test]
fn keys_arrive_by_dma_and_by_fifos_in_order() {
    let folder = folder();
    for mode in ["dma", "slave"] {
        for more in [&[][..], &["--deterministic"]] {
            let append = format!("usbkbd.mode={mode}");
            let keys = format!("{TEXT}\\n\\e");
            let args = [&["--append", &append, "--type-after", "usbkbd: ready", "--type-usb", &keys, "usbkbd.img"], more].concat();
            let run = run(&folder, &args).expect(0);
            let text = run.stdout.replace('\r', "");
            assert!(text.contains("0424:9514") && text.contains("port 2: low speed") && text.contains("port 3: full speed"), "{text}");
            assert!(text.contains(&format!("\n{TEXT}\n")) && text.ends_with("usbkbd: done\n"), "{mode}: {text}");
        }
    }
}

#[test]
fn nothing_is_plugged_in_for_who_types_at_the_serial_port() {
    let run = run(&folder(), &["--keyboard", "serial", "usbkbd.img"]).expect(0);
    assert!(run.stdout.contains("a hub with 5 ports") && run.stdout.contains("usbkbd: no keyboard"), "{}", run.stdout);
}

#[test]
fn a_script_waits_for_what_it_waits_for() {
    let script = ["--type-after", "ready", "--type", "one\\r", "--type-after", "one", "--type", "two\\x04", "echo.img"];
    for more in [&[][..], &["--deterministic"]] {
        let run = run(&folder(), &[&script[..], more].concat()).expect(0);
        assert!(run.stdout.contains("powers off\r\none\r\ntwo\r\necho: done"), "{:?}", run.stdout);
    }
}

#[test]
fn what_is_typed_arrives_at_the_same_guest_time_in_every_run() {
    let folder = folder();
    let once = || {
        let args = [
            "--deterministic",
            "--stats",
            "s.json",
            "--type-after",
            "ready",
            "--type-usb",
            "abc\\e",
            "--trace",
            "usb",
            "--trace-file",
            "t",
            "usbkbd.img",
        ];
        let run = run(&folder, &args).expect(0);
        let stats: serde_json::Value = serde_json::from_slice(&folder.read("s.json")).expect("JSON");
        (run.stdout, stats["instructions"].clone(), stats["guest_s"].clone(), folder.text("t"))
    };
    let first = once();
    assert!(first.3.contains("keyboard (address 2): SET_CONFIGURATION 1: done") && first.3.contains("endpoint 1 sends"), "{}", first.3);
    assert_eq!(first, once());
}
