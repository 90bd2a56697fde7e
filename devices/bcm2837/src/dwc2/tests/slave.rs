//! Slave mode: data by the FIFOs.

use super::*;

/// Slave mode: a packet goes through the FIFO.
pub(super) fn send_by_fifo(bench: &mut Bench, pipe: Pipe, toggle: u32, bytes: &[u8]) -> u32 {
    write(bench, CHANNEL + HCINT, !0);
    write(bench, CHANNEL + HCSPLT, 0);
    let size = bytes.len() as u32;
    write(bench, CHANNEL + HCTSIZ, size | 1 << HCTSIZ_PACKETS_SHIFT | toggle << HCTSIZ_TOGGLE_SHIFT);
    write(bench, CHANNEL + HCCHAR, pipe.character(false) | HCCHAR_ENABLE);
    for word in bytes.chunks(4) {
        let mut four = [0; 4];
        four[..word.len()].copy_from_slice(word);
        write(bench, 3 * 0x1000, u32::from_le_bytes(four));
    }
    pass(bench, 200_000);
    read(bench, CHANNEL + HCINT)
}

#[test]
fn slave_mode_moves_data_through_fifos() {
    let mut bench = bench();
    start(&mut bench, false);
    write(&mut bench, GINTMSK, GINT_RX_LEVEL);
    let (pipe, line) = (Pipe { device: 0, ..Pipe::control(HUB) }, bench.irq.line(irq::USB));
    assert_eq!(read(&bench, GNPTXSTS), 8 << 16 | 0x100);
    assert_eq!(send_by_fifo(&mut bench, pipe, TOGGLE_SETUP, &request(0x80, 6, 0x100, 0, 18)), HCINT_COMPLETE | HCINT_ACK);
    write(&mut bench, CHANNEL + HCINT, !0);
    write(&mut bench, CHANNEL + HCTSIZ, 18 | 1 << HCTSIZ_PACKETS_SHIFT | TOGGLE_DATA1 << HCTSIZ_TOGGLE_SHIFT);
    write(&mut bench, CHANNEL + HCCHAR, pipe.character(true) | HCCHAR_ENABLE);
    pass(&mut bench, 200_000);
    assert!(line.level());
    let status = RX_DATA << 17 | TOGGLE_DATA1 << 15 | 18 << 4 | 2;
    assert_eq!((read(&bench, GRXSTSR), read(&bench, GRXSTSP)), (status, status));
    let words: Vec<u8> = (0..5).flat_map(|_| read(&bench, 3 * 0x1000).to_le_bytes()).collect();
    assert_eq!(words[..12], [18, 1, 0, 2, 9, 0, 2, 64, 0x24, 4, 0x14, 0x95]);
    assert_eq!(read(&bench, CHANNEL + HCINT), HCINT_ACK, "not before the guest has read so far");
    assert_eq!(read(&bench, GRXSTSP), RX_COMPLETE << 17 | 2);
    assert!(!line.level());
    bench.tick();
    assert_eq!(read(&bench, CHANNEL + HCINT), HCINT_COMPLETE | HCINT_ACK);
    assert_eq!((read(&bench, GRXSTSP), read(&bench, 3 * 0x1000)), (0, 0), "empty");
    // Half a packet waits for the rest.
    write(&mut bench, CHANNEL + HCTSIZ, 8 | 1 << HCTSIZ_PACKETS_SHIFT | TOGGLE_SETUP << HCTSIZ_TOGGLE_SHIFT);
    write(&mut bench, CHANNEL + HCCHAR, pipe.character(false) | HCCHAR_ENABLE);
    write(&mut bench, 3 * 0x1000, 0);
    assert_eq!((read(&bench, GNPTXSTS), read(&bench, GINTSTS) & GINT_NPTX_EMPTY, bench.next_deadline()), (8 << 16 | 0xff, 0, None));
    write(&mut bench, CHANNEL + HCCHAR, HCCHAR_ENABLE | HCCHAR_DISABLE);
    assert_eq!(read(&bench, GRXSTSP), RX_HALTED << 17 | 2);
    assert_eq!(read(&bench, GINTSTS) & GINT_NPTX_EMPTY, GINT_NPTX_EMPTY);
}

#[test]
fn slave_mode_asks_once_a_request() {
    let mut bench = ready(true);
    write(&mut bench, GAHBCFG, GAHBCFG_GLBL_INTR);
    let pipe = Pipe { endpoint: 1, kind: KIND_INTERRUPT, packet: 1, ..Pipe::control(HUB) };
    for port in 2..5 {
        send_by_fifo(&mut bench, Pipe::control(HUB), TOGGLE_SETUP, &request(0x23, 1, 20, port, 0));
        write(&mut bench, CHANNEL + HCTSIZ, 1 << HCTSIZ_PACKETS_SHIFT | TOGGLE_DATA1 << HCTSIZ_TOGGLE_SHIFT);
        write(&mut bench, CHANNEL + HCCHAR, Pipe::control(HUB).character(true) | HCCHAR_ENABLE);
        pass(&mut bench, 200_000);
        send_by_fifo(&mut bench, Pipe::control(HUB), TOGGLE_SETUP, &request(0x23, 1, 16, port, 0));
        write(&mut bench, CHANNEL + HCTSIZ, 1 << HCTSIZ_PACKETS_SHIFT | TOGGLE_DATA1 << HCTSIZ_TOGGLE_SHIFT);
        write(&mut bench, CHANNEL + HCCHAR, Pipe::control(HUB).character(true) | HCCHAR_ENABLE);
        pass(&mut bench, 200_000);
    }
    write(&mut bench, CHANNEL + HCINT, !0);
    write(&mut bench, CHANNEL + HCTSIZ, 1 | 1 << HCTSIZ_PACKETS_SHIFT);
    for _ in 0..2 {
        write(&mut bench, CHANNEL + HCCHAR, pipe.character(true) | HCCHAR_ENABLE);
        pass(&mut bench, 1_000_000);
        assert_eq!((read(&bench, CHANNEL + HCINT), read(&bench, CHANNEL + HCCHAR) >> 31), (HCINT_NAK, 1), "it stays enabled");
        write(&mut bench, CHANNEL + HCINT, HCINT_NAK);
        pass(&mut bench, 1_000_000);
        assert_eq!(read(&bench, CHANNEL + HCINT), 0);
    }
    write(&mut bench, CHANNEL + HCCHAR, pipe.character(true) | HCCHAR_ENABLE | HCCHAR_DISABLE);
    assert_eq!(read(&bench, CHANNEL + HCINT), HCINT_HALTED);
}
