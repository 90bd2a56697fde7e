//! Somebody at the guest's serial port: waits for texts and types.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// No text lets us wait longer. Hosts may be slow and busy.
const PATIENCE: Duration = Duration::from_secs(180);

/// A program that runs, with its standard input and output.
pub struct Terminal {
    program: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    /// All that was printed so far.
    printed: Vec<u8>,
    /// Bytes of it that were waited for already.
    seen: usize,
}

impl Terminal {
    pub fn start(mut command: Command) -> Self {
        let mut program = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("it can be started");
        let (input, mut pipe) = (program.stdin.take(), program.stdout.take().expect("its output is piped"));
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(len @ 1..) = pipe.read(&mut chunk) {
                if sender.send(chunk[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { program, input, output, printed: Vec::new(), seen: 0 }
    }

    /// What was printed since the last call, up to and with `text`.
    ///
    /// # Panics
    /// If it is not printed in time.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let new = &self.printed[self.seen..];
            if let Some(at) = new.windows(text.len()).position(|window| window == text.as_bytes()) {
                let found = String::from_utf8_lossy(&new[..at + text.len()]).replace('\r', "");
                self.seen += at + text.len();
                return found;
            }
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.printed.extend(bytes),
                Err(why) => panic!("no {text:?} ({why}); it printed:\n{}", self.text()),
            }
        }
    }

    pub fn type_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it runs");
        input.write_all(line.as_bytes()).and_then(|()| input.write_all(b"\n")).expect("it reads what is typed");
    }

    /// Types a command at `prompt`; what it printed.
    pub fn command(&mut self, line: &str, prompt: &str) -> String {
        self.type_line(line);
        let all = self.wait_for(prompt);
        let answer = all.split_once('\n').map_or("", |(_, answer)| answer);
        answer.trim_end_matches(prompt).to_owned()
    }

    /// Everything printed so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.printed).replace('\r', "")
    }

    /// Waits until the program ends; its status, and everything that it printed.
    pub fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.printed.extend(bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end; it printed:\n{}", self.text()),
            }
        }
        let status = self.program.wait().expect("it was started").code();
        (status, self.text())
    }

    /// Ends the program as Ctrl-C would, by closing what it is waiting on; used where the guest cannot end itself.
    pub fn stop(mut self) {
        // Ours: it was started above.
        let _ = self.program.kill().and_then(|()| self.program.wait().map(drop));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A failed test leaves nothing running.
        let _ = self.program.kill();
    }
}
