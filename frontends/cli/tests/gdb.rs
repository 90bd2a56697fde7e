//! GDB as its users run it: `gdb-multiarch` with a script, against guests in C and in Rust with debug symbols; and its protocol by hand, where a script cannot say it.
//! Without `gdb-multiarch` the tests with scripts are skipped, with a line that says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const GDB: &str = "gdb-multiarch";

fn guest(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../gdb/tests").join(name)
}

/// A machine that GDB can connect to.
struct Debugged {
    process: Child,
    address: String,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Debugged {
    fn start(kernel: &Path, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tayberry"));
        command.args(["--frontend", "headless", "--timeout", "100", "--gdb", "127.0.0.1:0"]).args(options).arg(kernel);
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = process.expect("the program runs");
        let mut stderr = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("it says where it listens");
        let address = line.trim().rsplit(' ').next().expect("an address").to_owned();
        assert!(line.contains("target remote 127.0.0.1:"), "{line}");
        Self { process, address, stderr }
    }

    fn connect(&self) -> Wire {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time limit");
        Wire(stream)
    }

    /// Runs a script. What GDB printed.
    fn script(&self, script: &str, symbols: &Path) -> String {
        let mut command = Command::new(GDB);
        command.args(["-q", "-nx", "-batch", "-ex", "set pagination off", "-ex", "set confirm off"]).arg(symbols);
        command.args(["-ex", &format!("target remote {}", self.address)]);
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            command.args(["-ex", line]);
        }
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        command.stdin(Stdio::null()).stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        let mut gdb = command.spawn().expect("GDB runs");
        // The command has the other ends of the pipe.
        drop(command);
        let mut said = Vec::new();
        reader.read_to_end(&mut said).expect("GDB says something");
        gdb.wait().expect("it is ours");
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Waits for its end: status, what it printed, what it said.
    fn end(mut self) -> (Option<i32>, String, String) {
        let until = Instant::now() + Duration::from_secs(60);
        let status = loop {
            match self.process.try_wait().expect("it is ours") {
                Some(status) => break status.code(),
                None if Instant::now() > until => panic!("it does not end"),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let (mut out, mut said) = (String::new(), String::new());
        self.process.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
        self.stderr.read_to_string(&mut said).expect("text");
        (status, out, said)
    }
}

impl Drop for Debugged {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Each of these appears, in this order.
#[track_caller]
fn expect(text: &str, wanted: &[&str]) {
    let mut rest = text;
    for want in wanted {
        let at = rest.find(want).unwrap_or_else(|| panic!("no {want:?} (any more) in:\n{text}"));
        rest = &rest[at + want.len()..];
    }
}

fn has_gdb(test: &str) -> bool {
    let there = Command::new(GDB).arg("--version").output().is_ok();
    if !there {
        eprintln!("{test}: skipped, there is no {GDB}");
    }
    there
}

/// Ways to run a guest.
const WAYS: [&[&str]; 4] = [&[], &["--jit", "off"], &["--deterministic"], &["--deterministic", "--jit", "off"]];

#[test]
fn a_guest_in_c_with_breakpoints_steps_watchpoints_and_catches() {
    if !has_gdb("C") {
        return;
    }
    for way in WAYS {
        let kernel = guest("c/guest.elf");
        let machine = Debugged::start(&kernel, way);
        let said = machine.script(
            "info registers pc
             print/x $MIDR_EL1
             info threads
             break main
             continue
             break fib if n == 3
             continue
             backtrace
             finish
             stepi
             delete
             break bump
             continue
             watch watched[1]
             continue
             delete
             rwatch counter
             continue
             delete
             print origin
             print/x $TTBR0_EL1
             print *(unsigned*) 0x40080000 == *(unsigned*) 0x80000
             print *(unsigned*) 0x3f201000
             set var others[0] = 77
             print others[0]
             print $v8.d.f[0]
             print $d8
             set var $x5 = 0x1234
             print/x $x5
             monitor walk 0x40080000
             monitor xp 0x80000
             monitor cores
             maint packet Qqemu.PhyMemMode:1
             print *(unsigned*) 0x80000 != 0
             maint packet Qqemu.PhyMemMode:0
             monitor reset
             maint flush register-cache
             info registers pc
             monitor catch el1-sync
             continue
             x/i $pc
             print/x $ESR_EL1
             monitor uncatch all
             hbreak spin
             continue
             delete
             continue",
            &kernel,
        );
        let found = [
            "pc             0x0",
            "= 0x410fd034",
            "* 1    Thread 1.1 (core 0, EL3h, runs)",
            "Thread 1.4 (core 3, EL3h, runs)",
            "Breakpoint 1, main ()",
            "Breakpoint 2, fib (n=n@entry=3)",
            "in fib (n=n@entry=10)",
            "in main ()",
            "Value returned is $2 = 2",
            "Breakpoint 3, bump (by=by@entry=1)",
            "Old value = 0\nNew value = 1",
            "Hardware read watchpoint 5: counter",
            "in spin (turns=",
            "{x = 3, y = -4, name = ",
            "\"origin\"}",
            "= 0x85000",
            "= 1\n",
            "= 77",
            "= 21\n",
            "{f = 21,",
            "= 0x1234",
            "level 2: table 0x84000 entry 0",
            "physical 0x80000 (RAM), Normal memory",
            "0x00080000: ",
            "core 0: runs, EL1 at 0x",
            "received: \"OK\"",
            "= 1\n",
            "pc             0x0",
            "caught a synchronous exception taken to EL1",
            "<on_svc>:",
            "= 0x56000015",
            "spin (turns=",
            "exited normally",
        ];
        expect(&said, &found);
        assert!(said.contains("Cannot access memory at address 0x3f201000"), "{said}");
        let (status, out, said) = machine.end();
        assert_eq!((status, out.as_str()), (Some(0), "begin\nspin\nbegin\nspin\ndone\n"), "{way:?}: {said}");
    }
}

#[test]
fn a_guest_in_rust() {
    if !has_gdb("Rust") {
        return;
    }
    for way in WAYS {
        let kernel = guest("rust/kernel.elf");
        let machine = Debugged::start(&kernel, way);
        let said = machine.script(
            "break kernel::schedule if now == 7
             continue
             backtrace
             print *task
             next
             continue
             print *task
             delete
             continue",
            &kernel,
        );
        expect(
            &said,
            &[
                "schedule (now=7, task=0x",
                "#1 ",
                "kernel::kernel_main",
                "id: 1",
                "schedule (now=7",
                "id: 2, state: kernel::State::Blocked{until: 7}",
                "exited normally",
            ],
        );
        let (status, out, _) = machine.end();
        assert_eq!((status, out.as_str()), (Some(0), "kernel\nright\n"));
    }
}

#[test]
fn backwards_in_deterministic_mode() {
    if !has_gdb("backwards") {
        return;
    }
    for way in [&WAYS[2], &WAYS[3]] {
        let kernel = guest("c/guest.elf");
        let machine = Debugged::start(&kernel, way);
        let said = machine.script(
            "break bump
             continue
             continue
             continue
             printf \"at %d with %d\\n\", by, watched[1]
             reverse-continue
             printf \"at %d with %d\\n\", by, watched[1]
             reverse-continue
             printf \"at %d with %d\\n\", by, watched[1]
             stepi
             stepi
             stepi
             x/i $pc
             reverse-stepi
             reverse-stepi
             x/i $pc
             continue
             printf \"at %d with %d\\n\", by, watched[1]
             delete
             break spin
             continue
             watch watched[1]
             reverse-continue
             reverse-continue
             delete
             reverse-continue
             print $pc
             thread 2
             stepi 20
             reverse-stepi 5
             thread 1
             continue",
            &kernel,
        );
        let found = [
            "at 3 with 3",
            "at 2 with 1",
            "at 1 with 0",
            "0x810bc <bump+12>",
            "0x810b4 <bump+4>",
            "at 2 with 1",
            "Old value = 6\nNew value = 3",
            "Old value = 3\nNew value = 1",
            "No more reverse-execution history",
            "0x0",
            "exited normally",
        ];
        expect(&said, &found);
        let (status, out, said) = machine.end();
        assert_eq!((status, out.as_str()), (Some(0), "begin\nspin\ndone\n"), "nothing is printed twice: {said}");
    }
}

#[test]
fn trace_topics_are_switched_while_the_machine_runs() {
    if !has_gdb("trace") {
        return;
    }
    for way in WAYS {
        let kernel = guest("c/guest.elf");
        let machine = Debugged::start(&kernel, way);
        let said = machine.script(
            "break main
             continue
             monitor trace
             monitor trace mmio, gpio on
             monitor trace gpio off
             monitor trace
             hbreak spin
             continue
             monitor trace mmio off
             monitor trace mmio,nonsense on
             monitor trace mmio
             monitor trace on
             delete
             continue",
            &kernel,
        );
        expect(
            &said,
            &[
                "off boot ",
                "off mmio ",
                "traced: gpio, mmio",
                "traced: mmio",
                "off gpio ",
                "on  mmio ",
                "nothing is traced but warnings",
                "knows no 'nonsense'",
                "it is on or off",
                "topics are missing",
            ],
        );
        let (status, out, traced) = machine.end();
        assert_eq!((status, out.as_str()), (Some(0), "begin\nspin\ndone\n"), "{traced}");
        // Each character is a write to the UART's DR, "done" was not printed yet.
        let lines = traced.lines().filter(|line| line.contains("[mmio]") && line.contains("UART0 DR")).count();
        assert_eq!(lines, "begin\nspin\n".len(), "{traced}");
    }
}

#[test]
fn editors_speak_mi() {
    if !has_gdb("MI") {
        return;
    }
    let kernel = guest("rust/kernel.elf");
    let machine = Debugged::start(&kernel, &[]);
    let mut command = Command::new(GDB);
    command.args(["-q", "-nx", "-i=mi"]).arg(&kernel).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut gdb = command.spawn().expect("GDB runs");
    let (mut typed, mut answers) = (gdb.stdin.take().expect("a pipe"), BufReader::new(gdb.stdout.take().expect("a pipe")));
    // Writes a command, and reads on until a line begins so; as an editor does, which waits for each stop.
    let mut ask = |line: &str, until: &str| {
        writeln!(typed, "{line}").expect("it reads");
        let mut said = String::new();
        while answers.read_line(&mut said).expect("text") > 0 {
            let last = said.lines().last().unwrap_or_default();
            assert!(!last.contains("^error"), "{line}: {said}");
            if last.starts_with(until) {
                return said;
            }
        }
        panic!("{line}: no {until} in {said}");
    };
    ask(&format!("1-target-select remote {}", machine.address), "1^connected");
    let set = ask("2-break-insert kernel::schedule", "2^done");
    expect(&set, &["type=\"breakpoint\"", "func=\"kernel::schedule\""]);
    ask("3-exec-continue", "3^running");
    let stop = ask("4-thread-info", "4^done");
    expect(&stop, &["*stopped,reason=\"breakpoint-hit\"", "func=\"kernel::schedule\"", "id=\"1\"", "id=\"4\""]);
    expect(&ask("5-data-list-register-values x 32", "5^done"), &["number=\"32\",value=\"0x"]);
    expect(&ask("6-stack-list-frames", "6^done"), &["func=\"kernel::schedule\"", "func=\"kernel::kernel_main\""]);
    ask("7-exec-step", "*stopped,reason=\"end-stepping-range\"");
    ask("8-exec-finish", "*stopped,reason=\"function-finished\"");
    expect(&ask("9-interpreter-exec console \"monitor cores\"", "9^done"), &["core 0: "]);
    ask("10-gdb-exit", "10^exit");
    gdb.wait().expect("it is ours");
}

/// A packet with its runs written out: a character, `*`, and how often again.
fn expanded(bytes: &[u8]) -> String {
    let (mut text, mut bytes) = (String::new(), bytes.iter());
    while let Some(&byte) = bytes.next() {
        match byte {
            b'*' => {
                let (again, last) = (bytes.next().map_or(0, |count| usize::from(count - 29)), text.pop());
                text.extend(last.into_iter().flat_map(|last| std::iter::repeat_n(last, again + 1)));
            }
            byte => text.push(char::from(byte)),
        }
    }
    text
}

/// A kernel that does nothing for ever.
fn endless(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("kernel8.img");
    std::fs::write(&path, 0x1400_0000u32.to_le_bytes()).expect("a file");
    path
}

/// A connection in GDB's protocol.
struct Wire(TcpStream);

impl Wire {
    fn raw(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it is read");
    }

    fn send(&mut self, payload: &str) {
        let sum = payload.bytes().fold(0u8, u8::wrapping_add);
        self.raw(format!("${payload}#{sum:02x}").as_bytes());
    }

    /// The next packet; `None` at the end.
    fn receive(&mut self) -> Option<String> {
        let mut packet: Option<Vec<u8>> = None;
        loop {
            let mut byte = [0];
            if self.0.read(&mut byte).expect("an answer in time") == 0 {
                return None;
            }
            match (&mut packet, byte[0]) {
                (None, b'$') => packet = Some(Vec::new()),
                (None, _) => {}
                (Some(bytes), b'#') => {
                    self.0.read_exact(&mut [0; 2]).expect("a sum");
                    self.0.write_all(b"+").ok();
                    return Some(expanded(bytes));
                }
                (Some(bytes), byte) => bytes.push(byte),
            }
        }
    }

    fn ask(&mut self, payload: &str) -> String {
        self.send(payload);
        self.receive().expect("an answer")
    }

    /// The PC of core 0.
    fn pc(&mut self) -> u64 {
        self.ask("Hgp1.1");
        let bytes: Vec<u8> = self
            .ask("p20")
            .as_bytes()
            .chunks(2)
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).expect("ASCII"), 16).expect("hex"))
            .collect();
        u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
    }
}

const FEATURES: &str = "qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+";

#[test]
fn ctrl_c_stops_detach_lets_go_a_second_connection_works_and_kill_ends() {
    for way in WAYS {
        let folder = tempfile::tempdir().expect("a folder");
        let machine = Debugged::start(&endless(&folder), &[way, &["--gdb-nowait"]].concat());
        std::thread::sleep(Duration::from_millis(100));
        let mut wire = machine.connect();
        assert_eq!(wire.ask(FEATURES).contains("ReverseStep+"), way.contains(&"--deterministic"));
        assert_eq!(wire.pc(), 0x8_0000);
        wire.send("vCont;c:p1.-1");
        std::thread::sleep(Duration::from_millis(100));
        wire.raw(b"\x03");
        assert_eq!(wire.receive().as_deref(), Some("T02thread:p01.01;"), "{way:?}");
        assert_eq!(wire.pc(), 0x8_0000);
        // A breakpoint that is there when GDB leaves stops nobody.
        assert_eq!(wire.ask("Z0,80000,4"), "OK");
        assert_eq!(wire.ask("D;1"), "OK");
        drop(wire);
        std::thread::sleep(Duration::from_millis(100));
        let mut second = machine.connect();
        second.ask(FEATURES);
        assert_eq!(second.pc(), 0x8_0000);
        assert_eq!(second.ask("Z1,80000,4"), "OK");
        second.send("vCont;c:p1.-1");
        assert_eq!(second.receive().as_deref(), Some("T05thread:p01.01;hwbreak:;"));
        // Gone without a word.
        drop(second);
        let mut third = machine.connect();
        third.ask(FEATURES);
        assert!(!third.ask("qThreadExtraInfo,p1.1").is_empty());
        third.send("vKill;1");
        let (status, _, said) = machine.end();
        assert_eq!(status, Some(0), "{said}");
    }
}

#[test]
fn nonsense_harms_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let machine = Debugged::start(&endless(&folder), &[]);
    for nonsense in [
        "$#00",
        "$$$$###",
        "$m#6d",
        "$mffffffffffffffff,ffffffff#00",
        "$vCont;s#00",
        "$vCont;x:1#00",
        "$Z0,zz,4#00",
        "$Z9,0,0#00",
        "$P999=0#00",
        "$pffffffffffffffff#00",
        "$G00#00",
        "$Hgp9.99#00",
        "$qThreadExtraInfo,p1.63#00",
        "$bs#d5",
        "$X80000,4:ab#00",
        "$qXfer:features:read:target.xml:ffffffff,ffff#00",
    ] {
        // With the right sum, too.
        let payload = nonsense.trim_start_matches('$').split('#').next().unwrap_or_default().to_owned();
        let mut wire = machine.connect();
        wire.0.set_read_timeout(Some(Duration::from_millis(200))).expect("a time limit");
        // It may be gone already.
        let _ = wire.0.write_all(nonsense.as_bytes());
        let sum = payload.bytes().fold(0u8, u8::wrapping_add);
        let _ = wire.0.write_all(format!("${payload}#{sum:02x}").as_bytes());
        let _ = wire.0.read(&mut [0; 64]);
    }
    let mut wire = machine.connect();
    assert!(wire.ask(FEATURES).contains("PacketSize"));
    assert_eq!(wire.ask("z2,0,0"), "E16");
    wire.send("k");
    assert_eq!(machine.end().0, Some(0));
}

#[test]
fn a_port_that_is_taken_is_one_line_and_status_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (address, words) in [(address.as_str(), "cannot listen at"), ("nowhere", "is no address"), ("localhost:http", "is no address")] {
        let run = Command::new(env!("CARGO_BIN_EXE_tayberry"))
            .args(["--frontend", "headless", "--gdb", address])
            .arg(guest("c/guest.elf"))
            .output();
        let run = run.expect("the program runs");
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.lines().count() == 1 && said.contains(words), "{said}");
    }
}
