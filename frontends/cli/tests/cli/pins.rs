//! The board's pins: a guest with LEDs and a button, whose button is pressed from the command line.

use crate::program::{Ended, Folder};

/// Buttons at pin 17, pressed at 150 and 330 ms.
const PRESSES: &str = "--gpio-set 17=0@150ms --gpio-set 17=z@0.18 --gpio-set 17=0@330000us";

fn run(folder: &Folder, args: &str) -> Ended {
    folder.file("pins.img", tayberry_guest::PINS);
    Ended::of(
        folder.tayberry(["--frontend", "headless", "--timeout", "120"].into_iter().chain(args.split_whitespace()).chain(["pins.img"])),
    )
}

#[test]
fn buttons_interrupt_at_their_times_and_every_change_is_logged() {
    let folder = Folder::new();
    let mut first = None;
    for jit in ["on", "off"] {
        let run = run(&folder, &format!("--deterministic --jit {jit} --gpio-log log.csv {PRESSES}")).expect(0);
        let text = run.stdout.replace('\r', "");
        assert_eq!(text, "pins: the button is up\npins: press 1 at 150000 us\npins: press 2 at 330000 us\npins: done\n");
        let log = folder.text("log.csv");
        assert_eq!(first.get_or_insert_with(|| log.clone()), &log, "the same in every run");
    }
    let log = first.expect("two runs");
    assert!(log.starts_with("time_s,pin,function,level,by\n0.000000000,0,input,1,reset\n"), "{log}");
    let rows: Vec<Vec<&str>> = log.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let of = |pin: &str| rows.iter().filter(|row| row[1] == pin && row[4] != "reset").collect::<Vec<_>>();
    // Four blinks of the LED at the pin and of the one behind the mailbox, 100 ms each way.
    for pin in ["16", "ACT"] {
        let levels: Vec<&str> = of(pin).iter().map(|row| row[3]).collect();
        let begin = levels.len() - 8;
        assert_eq!(levels[begin..], ["1", "0", "1", "0", "1", "0", "1", "0"], "{pin}: {log}");
        let times: Vec<f64> = of(pin)[begin..].iter().map(|row| row[0].parse().expect("a time")).collect();
        assert!(times.windows(2).all(|two| (two[1] - two[0] - 0.1).abs() < 0.001), "{pin}: {times:?}");
    }
    assert!(of("ACT").iter().all(|row| row[2] == "output" && row[4] == "firmware"));
    let button: Vec<(&str, &str)> = of("17").iter().filter(|row| row[4] == "outside").map(|row| (row[0], row[3])).collect();
    assert_eq!(button, [("0.150000000", "0"), ("0.180000000", "1"), ("0.330000000", "0")]);
    // Each press switches the lamp, a moment later.
    let lamp: Vec<(&str, &str)> = of("27").iter().skip(1).map(|row| (&row[0][..8], row[3])).collect();
    assert_eq!(lamp, [("0.150000", "1"), ("0.330000", "0")]);
}

#[test]
fn in_realtime_the_same_buttons_are_pressed() {
    let run = run(&Folder::new(), PRESSES).expect(0);
    assert!(run.stdout.contains("press 1 at 15") && run.stdout.contains("press 2 at 33"), "{}", run.stdout);
}

#[test]
fn a_button_that_is_pressed_stays_so_in_a_state_and_a_recording_has_the_settings() {
    let folder = Folder::new();
    let whole = run(&folder, &format!("--deterministic --gpio-log log.csv --record-input r {PRESSES}")).expect(0);
    let log = folder.text("log.csv");
    let first = run(&folder, &format!("--deterministic --max-instructions 30000 --save-state st {PRESSES}")).expect(0);
    let second = run(&folder, &format!("--deterministic --load-state st --gpio-log rest.csv {PRESSES}")).expect(0);
    assert_eq!(first.stdout + &second.stdout, whole.stdout);
    assert_eq!(log.lines().last(), folder.text("rest.csv").lines().last());
    let again = run(&folder, &format!("--deterministic --gpio-log again.csv --replay-input r {PRESSES}")).expect(0);
    assert_eq!((again.stdout, folder.text("again.csv")), (whole.stdout, log));
    let other = run(&folder, "--deterministic --replay-input r").expect(2);
    assert!(other.stderr.contains("another list of --gpio-set"), "{}", other.stderr);
}

#[test]
fn pins_levels_and_times_that_cannot_be_are_refused_in_a_line() {
    let folder = Folder::new();
    for (setting, why) in [
        ("54=1@1", "the pins are 0 to 53"),
        ("17=2@1", "a pin is driven to 0 or 1, or left alone: z"),
        ("17=1@-1s", "the time is a number of seconds from 0 up"),
        ("17=1", "it is PIN=0|1|z@TIME"),
    ] {
        let refused = run(&folder, &format!("--gpio-set {setting}")).expect(2);
        assert!(refused.stderr.contains(why) && refused.stderr.lines().count() == 1, "{}", refused.stderr);
    }
    let refused = run(&folder, "--gpio-log no/such/folder").expect(2);
    assert!(refused.stderr.contains("--gpio-log no/such/folder: cannot be written"), "{}", refused.stderr);
}
