//! GDB's socket: what is written goes out packet by packet, what is read comes as events; and packets that `gdbstub` does not know.

use crate::session::Event;
use crossbeam::channel::Sender;
use gdbstub::conn::Connection;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// Bytes read at a time.
const PIECE: usize = 1 << 14;

/// The writing side.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// Reads from the stream on a thread of its own, which ends with the connection.
    pub fn open(stream: TcpStream, number: u64, events: Sender<Event>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let mut source = stream.try_clone()?;
        let body = move || {
            let mut piece = vec![0; PIECE];
            loop {
                let event = match source.read(&mut piece) {
                    Ok(0) => Event::Closed { number },
                    Ok(len) => Event::Bytes { number, bytes: piece[..len].to_vec() },
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => Event::Closed { number },
                };
                let last = matches!(event, Event::Closed { .. });
                if events.send(event).is_err() || last {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("tayberry-gdb-in".into()).spawn(body)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a packet of our own.
    pub fn send(&mut self, payload: &str) -> io::Result<()> {
        let sum = payload.bytes().fold(0u8, u8::wrapping_add);
        self.buffer.extend_from_slice(format!("${payload}#{sum:02x}").as_bytes());
        self.flush()
    }

    /// Writes on GDB's console, while the machine runs.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.send(&format!("O{hex}"))
    }
}

impl Connection for Wire {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.buffer.push(byte);
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::write_all(&mut self.stream, &self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // The reader's thread ends by this.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// What comes in, packet by packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// For `gdbstub`, as it came.
    Raw(Vec<u8>),
    /// A packet about physical memory ([`Physical`]).
    Physical(Physical),
}

/// QEMU's packets by which GDB's user chooses between virtual and physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Physical {
    /// `qqemu.PhyMemMode`: which?
    Ask,
    /// `Qqemu.PhyMemMode:1` or `:0`.
    Set(bool),
}

/// Most bytes of a packet that is kept back to be looked at; longer ones are none of ours.
const LONGEST: usize = 64;

/// Takes the packets apart that are ours.
#[derive(Debug, Default)]
pub struct Sorter {
    /// The packet that is coming in.
    packet: Vec<u8>,
}

impl Sorter {
    /// What a byte completes.
    pub fn push(&mut self, byte: u8) -> Option<Piece> {
        if self.packet.is_empty() && byte != b'$' {
            return Some(Piece::Raw(vec![byte]));
        }
        self.packet.push(byte);
        let payload = self.packet.len().checked_sub(3).filter(|&at| self.packet[at] == b'#');
        match payload {
            Some(end) => {
                let packet = std::mem::take(&mut self.packet);
                let ours = match &packet[1..end] {
                    b"qqemu.PhyMemMode" => Some(Physical::Ask),
                    b"Qqemu.PhyMemMode:1" => Some(Physical::Set(true)),
                    b"Qqemu.PhyMemMode:0" => Some(Physical::Set(false)),
                    _ => None,
                };
                Some(ours.map_or(Piece::Raw(packet), Piece::Physical))
            }
            None if self.packet.len() > LONGEST || self.packet.len() > 1 && !b"qQ".contains(&self.packet[1]) => {
                Some(Piece::Raw(std::mem::take(&mut self.packet)))
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_packets_are_taken_out_and_nothing_is_lost_of_the_others() {
        let stream = b"+$qSupported:x#ab\x03$Qqemu.PhyMemMode:1#00+$m80000,4#12$qqemu.PhyMemMode#00$q";
        let mut sorter = Sorter::default();
        let (mut raw, mut ours) = (Vec::new(), Vec::new());
        for piece in stream.iter().filter_map(|&byte| sorter.push(byte)) {
            match piece {
                Piece::Raw(bytes) => raw.extend(bytes),
                Piece::Physical(what) => ours.push(what),
            }
        }
        assert_eq!(raw, b"+$qSupported:x#ab\x03+$m80000,4#12");
        assert_eq!(ours, [Physical::Set(true), Physical::Ask]);
        let long = [b"$q".as_slice(), &[b'x'; 1000], b"#00"].concat();
        let mut sorter = Sorter::default();
        let back: Vec<u8> = long
            .iter()
            .filter_map(|&byte| sorter.push(byte))
            .flat_map(|piece| if let Piece::Raw(bytes) = piece { bytes } else { vec![] })
            .collect();
        assert_eq!(back, long);
    }
}
