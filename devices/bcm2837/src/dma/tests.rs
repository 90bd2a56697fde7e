use super::dreq::DreqLine;
use super::transfer::*;
use super::*;
use crossbeam::queue::SegQueue;
use proptest::prelude::*;
use tayberry_engine::GuestRam;
use tayberry_engine::bench::Bench;

const RAM_BYTES: u64 = 0x10_0000;
const BLOCK: u32 = 0x1000;
/// The uncached alias that drivers use.
const ALIAS: u32 = 0xc000_0000;
const COPY: u32 = TI_SRC_INC | TI_DEST_INC;
/// A peripheral with a FIFO, its bus address, and its DREQ.
const FIFO: u64 = 0x3f20_3000;
const FIFO_BUS: u32 = 0x7e20_3000;
const FIFO_DREQ: u32 = 2;
const FIFO_DEPTH: usize = 4;

struct Fifo {
    words: SegQueue<u32>,
    line: DreqLine,
}

impl Fifo {
    fn drain(&self) -> Vec<u32> {
        let words = std::iter::from_fn(|| self.words.pop()).collect();
        self.line.set(true);
        words
    }
}

impl BusView for Fifo {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        if offset == 0 { self.words.pop().unwrap_or(0) } else { 0xf1f0_0000 | offset }
    }

    fn write(&self, _: u32, value: u32, _: &BusContext<'_>) -> Served {
        self.words.push(value);
        self.line.set(self.words.len() < FIFO_DEPTH);
        Served::Inline
    }
}

struct Dut {
    bench: Bench,
    ram: Arc<GuestRam>,
    fifo: Arc<Fifo>,
}

fn dut() -> Dut {
    let mut fifo = None;
    let bench = Bench::new(RAM_BYTES, 1, |machine| {
        machine.install(&DmaPlugin);
        let line = machine.world.resource::<Dreqs>().line(FIFO_DREQ);
        let view = Arc::new(Fifo { words: SegQueue::new(), line });
        machine.map(FIFO..FIFO + 0x20, "fifo", Arc::clone(&view) as _);
        fifo = Some(view);
    });
    let ram = Arc::clone(&bench.world.resource::<Ram>().0);
    Dut { bench, ram, fifo: fifo.expect("installed") }
}

fn register(channel: usize, offset: u32) -> u64 {
    let base = if channel == CHANNEL_15 { BASE_15 } else { BASE + (channel as u64) * 0x100 };
    base + u64::from(offset)
}

impl Dut {
    fn read(&self, channel: usize, offset: u32) -> u32 {
        self.bench.read(register(channel, offset))
    }

    fn write(&mut self, channel: usize, offset: u32, value: u32) {
        assert_eq!(self.bench.write(register(channel, offset), value), Served::EndSlice);
        self.bench.tick();
    }

    /// Puts a control block (TI, source, destination, length, stride, next) at `at`.
    fn block(&self, at: u32, words: [u32; 6]) {
        for (address, word) in (u64::from(at)..).step_by(4).zip(words) {
            self.ram.write_u32(address, word).expect("in RAM");
        }
    }

    fn start(&mut self, channel: usize, at: u32) {
        self.write(channel, CONBLK_AD, at | ALIAS);
        self.write(channel, CS, CS_ACTIVE);
    }

    /// Lets time pass until nothing is to come.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let Some(next) = self.bench.next_deadline() else { return };
            self.bench.tick_at(next.max(self.bench.clock.now()));
        }
        panic!("it goes on and on");
    }

    fn run(&mut self, channel: usize, words: [u32; 6]) {
        self.block(BLOCK, words);
        self.start(channel, BLOCK);
        self.settle();
    }

    fn bytes(&self, at: u32, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.ram.copy_out(at.into(), &mut out).expect("in RAM");
        out
    }

    fn fill(&self, at: u32, len: usize) -> Vec<u8> {
        let data: Vec<u8> = (0..len).map(|index| (index * 7 + index / 256 + 1) as u8).collect();
        self.ram.copy_in(at.into(), &data).expect("in RAM");
        data
    }
}

#[test]
fn a_copy_takes_time_and_interrupts_at_its_end() {
    for channel in 0..CHANNELS {
        let mut dut = dut();
        let data = dut.fill(0x2001, 50_001);
        dut.block(BLOCK, [COPY | TI_INTEN, 0x2001, 0x4_0000 | ALIAS, 50_001, 0, 0]);
        dut.start(channel, BLOCK);
        assert_eq!(dut.read(channel, CS) & (CS_ACTIVE | CS_END | CS_INT), CS_ACTIVE);
        assert_eq!(dut.read(channel, CONBLK_AD), BLOCK | ALIAS);
        dut.settle();
        assert!((50_001..60_000).contains(&dut.bench.clock.now().0), "{:?}", dut.bench.clock.now());
        assert_eq!(dut.bytes(0x4_0000, 50_001), data);
        assert_eq!(dut.read(channel, CS), CS_END | CS_INT | CS_DREQ);
        assert_eq!((dut.read(channel, CONBLK_AD), dut.read(channel, 0x14)), (0, 0));
        assert_eq!(dut.bench.read(BASE + u64::from(INT_STATUS)), 1 << channel);
        let expected = match channel {
            0..=10 => 1 << (16 + channel) | 1 << 28,
            11..=14 => 1 << 27 | 1 << 28,
            _ => 0,
        };
        assert_eq!(dut.bench.irq.levels(0), expected);
        dut.write(channel, CS, CS_INT);
        assert_eq!(dut.read(channel, CS), CS_END | CS_DREQ);
        assert_eq!(dut.bench.irq.levels(0), 0);
        dut.write(channel, CS, CS_END | CS_ACTIVE);
        assert_eq!(dut.read(channel, CS), CS_DREQ, "nothing to activate");
    }
}

#[test]
fn fills_repeat_a_word_or_four() {
    for (wide, width) in [(0, 4), (TI_SRC_WIDTH | TI_DEST_WIDTH, 16)] {
        let mut dut = dut();
        let pattern = dut.fill(0x2000, 16);
        dut.run(0, [TI_DEST_INC | wide, 0x2000, 0x4000, 9_001, 0, 0]);
        let expected: Vec<u8> = pattern[..width].iter().copied().cycle().take(9_001).chain([0]).collect();
        assert_eq!(dut.bytes(0x4000, 9_002), expected);
    }
}

#[test]
fn ignoring_writes_zeroes_or_nothing() {
    let mut dut = dut();
    let data = dut.fill(0x2000, 0x200);
    dut.run(0, [COPY | TI_DEST_IGNORE, 0x2000, 0x2100, 64, 0, 0]);
    assert_eq!(dut.bytes(0x2000, 0x200), data);
    dut.run(0, [COPY | TI_SRC_IGNORE, u32::MAX, 0x2100, 64, 0, 0]);
    assert_eq!(dut.bytes(0x2100, 64), [0; 64]);
    assert_eq!(dut.bytes(0x2140, 4), data[0x140..0x144]);
    assert_eq!(dut.read(0, DEBUG) & DEBUG_ERRORS, 0);
}

#[test]
fn two_dimensions_with_strides_both_ways() {
    let mut dut = dut();
    let data = dut.fill(0x2000, 0x1000);
    // Three rows of 24 bytes, pitch 64, out of the image upwards: destination rows go down in memory.
    let stride = (-(24i32 + 32) as u32) << 16 | (64 - 24);
    dut.run(3, [COPY | TI_TDMODE, 0x2000, 0x8040, 2 << 16 | 24, stride, 0]);
    for row in 0..3usize {
        assert_eq!(dut.bytes(0x8040 - 32 * row as u32, 24), data[64 * row..][..24], "row {row}");
    }
    assert_eq!(dut.bytes(0x8058, 8), [0; 8]);
    dut.run(3, [COPY | TI_TDMODE, 0x2000, 0x9000, 0x3fff << 16, 0, 0]);
    assert_eq!(dut.read(3, CS) & (CS_ACTIVE | CS_END), CS_END, "rows of nothing");
}

#[test]
fn a_chain_of_two_interrupts_where_it_is_told_to() {
    let mut dut = dut();
    let data = dut.fill(0x2000, 0x4000);
    dut.block(BLOCK, [COPY | TI_INTEN, 0x2000, 0x8000, 0x2000, 0, 0x1100]);
    dut.block(0x1100, [COPY, 0x4000, 0xa000, 0x2000, 0, 0]);
    dut.start(5, BLOCK);
    while dut.bench.irq.levels(0) == 0 {
        let next = dut.bench.next_deadline().expect("more to come");
        dut.bench.tick_at(next);
    }
    assert_eq!(dut.bytes(0x8000, 0x2000), data[..0x2000]);
    assert_eq!((dut.read(5, CONBLK_AD), dut.read(5, CS) & (CS_ACTIVE | CS_INT)), (0x1100, CS_ACTIVE | CS_INT));
    dut.write(5, CS, CS_INT | CS_ACTIVE);
    dut.settle();
    assert_eq!(dut.bytes(0x8000, 0x4000), data);
    assert_eq!(dut.read(5, CS) & 0xff, CS_END | CS_DREQ);
}

#[test]
fn lite_channels_know_less() {
    let mut dut = dut();
    let data = dut.fill(0x2000, 0x2_0000);
    assert_eq!((dut.read(6, DEBUG), dut.read(7, DEBUG)), (DEBUG_VERSION | 6 << 8, DEBUG_VERSION | DEBUG_LITE | 7 << 8));
    dut.run(7, [COPY | TI_TDMODE | TI_SRC_IGNORE | TI_DEST_IGNORE, 0x2000, 0x4_0000, 1 << 16 | 100, 0, 0]);
    assert_eq!(dut.read(7, 0x08), COPY);
    assert_eq!((dut.bytes(0x4_0000, 100), dut.bytes(0x4_0064, 100)), (data[..100].to_vec(), vec![0; 100]));
}

#[test]
fn pause_and_resume_and_abort_and_reset() {
    let mut dut = dut();
    let data = dut.fill(0x2000, 0x1_8000);
    dut.block(BLOCK, [COPY, 0x2000, 0x8_0000, 0x1_8000, 0, 0x1100]);
    dut.block(0x1100, [COPY, 0x2000, 0x6_0000, 16, 0, 0]);
    dut.start(0, BLOCK);
    dut.bench.tick_at(GuestTime(1_000));
    dut.write(0, CS, 0);
    assert_eq!(dut.bench.next_deadline(), None);
    assert_eq!(dut.read(0, CS), CS_PAUSED | CS_DREQ);
    let left = dut.read(0, 0x14);
    assert!(left > 0 && left < 0x1_8000, "{left:#x}");
    assert_eq!(dut.read(0, 0x0c), 0x2000 + 0x1_8000 - left);
    dut.bench.tick_at(GuestTime(10_000_000));
    assert_eq!(dut.read(0, 0x14), left);
    dut.write(0, CS, CS_ACTIVE);
    dut.settle();
    assert_eq!(dut.bytes(0x8_0000, 0x1_8000), data);

    dut.ram.fill(0x6_0000, 0x4_0000, 0).expect("in RAM");
    dut.start(0, BLOCK);
    dut.bench.tick_at(dut.bench.clock.now().plus(1_000));
    dut.write(0, CS, CS_ABORT | CS_ACTIVE);
    dut.settle();
    assert_eq!(dut.bytes(0x6_0000, 16), data[..16], "the next block is done");
    assert_ne!(dut.bytes(0x8_0000, 0x1_8000), data, "the aborted one is not");

    dut.start(0, BLOCK);
    dut.write(0, CS, CS_RESET);
    assert_eq!(dut.bench.next_deadline(), None);
    assert_eq!([CS, CONBLK_AD, 0x08, 0x0c, 0x14, NEXTCONBK].map(|offset| dut.read(0, offset)), [CS_DREQ, 0, 0, 0, 0, 0]);
}

#[test]
fn a_switched_off_channel_waits() {
    let mut dut = dut();
    let enable = BASE + u64::from(ENABLE);
    assert_eq!(dut.bench.read(enable), 0x7fff);
    dut.bench.write(enable, 0x7ffe);
    let data = dut.fill(0x2000, 64);
    dut.run(0, [COPY, 0x2000, 0x4000, 64, 0, 0]);
    assert_eq!(dut.read(0, CS) & (CS_ACTIVE | CS_END), CS_ACTIVE);
    dut.bench.write(enable, u32::MAX);
    dut.bench.tick();
    dut.settle();
    assert_eq!(dut.bytes(0x4000, 64), data);
}

#[test]
fn an_endless_chain_takes_bounded_ticks_and_can_be_stopped() {
    let mut dut = dut();
    dut.block(BLOCK, [COPY | TI_INTEN, 0x2000, 0x4000, 0, 0, BLOCK]);
    dut.block(0x1100, [COPY, 0x2000, 0x8000, 0x3fff_ffff, 0, 0x1100]);
    (0..CHANNELS).for_each(|channel| dut.start(channel, if channel % 2 == 0 { BLOCK } else { 0x1100 }));
    for _ in 0..200 {
        let (now, next) = (dut.bench.clock.now(), dut.bench.next_deadline().expect("it goes on"));
        assert!(next > now, "time passes");
        dut.bench.tick_at(next);
    }
    // Time that jumps does not make a tick longer: what is late stays late.
    dut.bench.tick_at(GuestTime(3_600_000_000_000));
    assert_eq!(dut.read(0, CS) & (CS_ACTIVE | CS_INT), CS_ACTIVE | CS_INT);
    dut.write(0, NEXTCONBK, 0);
    (1..CHANNELS).for_each(|channel| dut.write(channel, CS, CS_RESET));
    dut.write(0, CS, CS_RESET);
    dut.settle();
}

#[test]
fn bad_addresses_set_the_error_bits() {
    let mut dut = dut();
    dut.start(2, 0x20_0000);
    dut.settle();
    assert_eq!(dut.read(2, CS) & (CS_ERROR | CS_ACTIVE), CS_ERROR);
    dut.write(2, DEBUG, DEBUG_READ_ERROR);
    assert_eq!((dut.read(2, CS) & CS_ERROR, dut.read(2, DEBUG) & DEBUG_ERRORS), (0, 0));
    let data = dut.fill(RAM_BYTES as u32 - 8, 8);
    dut.run(2, [COPY, RAM_BYTES as u32 - 8, 0x4000, 16, 0, 0]);
    assert_eq!((dut.bytes(0x4000, 8), dut.bytes(0x4008, 8)), (data, vec![0; 8]));
    assert_eq!(dut.read(2, DEBUG) & DEBUG_ERRORS, DEBUG_READ_ERROR);
    assert_eq!(dut.read(2, CS) & (CS_END | CS_ERROR), CS_END | CS_ERROR);
    dut.run(2, [COPY, 0x4000, u32::MAX - 3, 16, 0, 0]);
    assert_eq!(dut.bytes(0, 12), dut.bytes(0x4004, 12), "the address comes round");
}

#[test]
fn registers_are_read_and_written_word_by_word() {
    let mut dut = dut();
    let data = dut.fill(0x2000, 12);
    dut.run(0, [TI_SRC_INC, 0x2000, FIFO_BUS, 12, 0, 0]);
    let words: Vec<u32> = data.chunks(4).map(|word| u32::from_le_bytes(word.try_into().expect("four"))).collect();
    assert_eq!(dut.fifo.drain(), words);
    (1..4).for_each(|word| dut.fifo.words.push(word));
    dut.run(0, [TI_DEST_INC, FIFO_BUS, 0x4000, 8, 0, 0]);
    assert_eq!(dut.bytes(0x4000, 8), [1, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(dut.fifo.drain(), [3]);
    dut.run(0, [COPY, FIFO_BUS + 4, 0x4000, 8, 0, 0]);
    assert_eq!(dut.bytes(0x4000, 8), [4, 0, 0xf0, 0xf1, 8, 0, 0xf0, 0xf1]);
}

#[test]
fn dreq_paces_and_nobody_asks_for_what_is_not_there() {
    let mut dut = dut();
    let paced = TI_SRC_INC | TI_DEST_DREQ | TI_INTEN;
    dut.fill(0x2000, 40);
    dut.run(4, [paced | FIFO_DREQ << TI_PERMAP_SHIFT, 0x2000, FIFO_BUS, 40, 0, 0]);
    assert!(dut.fifo.words.is_empty(), "not asked yet");
    assert_eq!(dut.read(4, CS), CS_ACTIVE | CS_DREQ_STOPS);
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(dut.fifo.drain().len());
        assert!(dut.bench.next_deadline().is_some(), "the edge wakes it");
        dut.settle();
    }
    sent.push(dut.fifo.drain().len());
    assert_eq!(sent, [0, 4, 4, 2]);
    assert_eq!(dut.read(4, CS), CS_END | CS_INT | CS_DREQ);
    assert_eq!(dut.bench.next_deadline(), None);

    dut.run(5, [paced | 31 << TI_PERMAP_SHIFT, 0x2000, FIFO_BUS, 40, 0, 0]);
    dut.bench.tick_at(GuestTime(1_000_000_000));
    assert_eq!((dut.read(5, CS), dut.read(5, 0x14)), (CS_ACTIVE | CS_DREQ_STOPS, 40));
    dut.write(5, CS, CS_ABORT);
    assert_eq!(dut.read(5, CS) & CS_ACTIVE, 0);
}

#[test]
fn a_channel_can_start_another() {
    let mut dut = dut();
    let data = dut.fill(0x2000, 16);
    dut.block(0x1100, [COPY, 0x2000, 0x4000, 16, 0, 0]);
    dut.ram.write_u32(0x3000, CS_ACTIVE).expect("in RAM");
    dut.write(1, CONBLK_AD, 0x1100);
    dut.run(0, [0, 0x3000, 0x7e00_7100, 4, 0, 0]);
    assert_eq!(dut.bytes(0x4000, 16), data);
}

/// What a transfer does to memory, unit by unit.
fn model(memory: &mut [u8], [ti, mut source, mut dest, length, stride]: [u32; 5]) {
    let wide = |bit| if ti & bit != 0 { 16 } else { 4 };
    let unit = wide(TI_SRC_WIDTH | TI_DEST_WIDTH);
    let (row, rows) = if ti & TI_TDMODE != 0 { (length & 0xffff, (length >> 16) + 1) } else { (length, 1) };
    for _ in 0..if row == 0 { 0 } else { rows } {
        let mut left = row;
        while left > 0 {
            let now = unit.min(left);
            let place = |base: u32, at: u32, inc, width| (base + if ti & inc != 0 { at } else { at % wide(width) }) as usize;
            let zero = ti & TI_SRC_IGNORE != 0;
            let read = |at| if zero { 0 } else { memory[place(source, at, TI_SRC_INC, TI_SRC_WIDTH)] };
            let data: Vec<u8> = (0..now).map(read).collect();
            if ti & TI_DEST_IGNORE == 0 {
                (0..now).zip(data).for_each(|(at, byte)| memory[place(dest, at, TI_DEST_INC, TI_DEST_WIDTH)] = byte);
            }
            source += if ti & TI_SRC_INC != 0 { now } else { 0 };
            dest += if ti & TI_DEST_INC != 0 { now } else { 0 };
            left -= now;
        }
        source = source.wrapping_add_signed((stride as i16).into());
        dest = dest.wrapping_add_signed(((stride >> 16) as i16).into());
    }
}

/// Addresses near edges, in RAM, of registers (of the controller itself too), and any.
fn address() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0..RAM_BYTES as u32,
        1 => RAM_BYTES as u32 - 64..RAM_BYTES as u32 + 64,
        1 => (0u32..0x40).prop_map(|word| FIFO_BUS + word),
        1 => (0u32..0x1000).prop_map(|offset| 0x7e00_7000 + offset),
        1 => prop::sample::select(vec![0x7dff_fff0u32, 0x7eff_fff0, 0x3fff_fff0, 0xffff_fff0, 0]),
        1 => any::<u32>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn memory_ends_as_unit_by_unit(
        ti in any::<u32>(), source in 0x3000u32..0x3400, apart in -300i32..300, row in 0u32..600, rows in 0u32..6,
        source_stride in -700i16..100, dest_stride in -700i16..100,
    ) {
        let ti = ti & !(TI_SRC_DREQ | TI_DEST_DREQ);
        let length = if ti & TI_TDMODE != 0 { rows << 16 | row } else { row };
        let stride = (dest_stride as u32) << 16 | u32::from(source_stride as u16);
        let dest = source.wrapping_add_signed(apart);
        let mut dut = dut();
        let mut memory = vec![0; 0x8000];
        memory[0x2000..0x6000].copy_from_slice(&dut.fill(0x2000, 0x4000));
        dut.run(1, [ti, source, dest, length, stride, 0]);
        model(&mut memory, [ti, source, dest, length, stride]);
        prop_assert_eq!(dut.read(1, CS) & (CS_ACTIVE | CS_END), CS_END);
        prop_assert!(dut.bytes(0x2000, 0x6000) == memory[0x2000..], "memory differs");
    }

    #[test]
    fn no_control_block_makes_it_panic_or_hang(
        blocks in prop::collection::vec((any::<u32>(), address(), address(), prop_oneof![0u32..5000, any::<u32>()], any::<u32>(), 0u32..10), 8),
        steps in prop::collection::vec((0usize..16, prop::sample::select(vec![CS, CONBLK_AD, NEXTCONBK, DEBUG, 0x24, 0x08]), any::<u32>(), 0u32..10, 0u64..40_000), 1..40)
    ) {
        let mut dut = dut();
        for (index, &(ti, source, dest, length, stride, next)) in blocks.iter().enumerate() {
            dut.block(BLOCK + 32 * index as u32, [ti, source, dest, length, stride, if next == 9 { stride } else { BLOCK + 32 * next }]);
        }
        for (channel, offset, value, block, time) in steps {
            match offset {
                CONBLK_AD => dut.start(channel, BLOCK + 32 * block),
                _ => _ = dut.bench.write(register(channel, offset), value),
            }
            dut.bench.tick_at(dut.bench.clock.now().plus(time));
            dut.fifo.drain();
        }
        for _ in 0..20 {
            let Some(next) = dut.bench.next_deadline() else { break };
            dut.bench.tick_at(next.max(dut.bench.clock.now()));
        }
        // Chains may go on for ever; a reset of all, with what they posted to each other, ends it.
        for channel in (0..CHANNELS).chain(0..CHANNELS) {
            dut.bench.write(register(channel, CS), CS_RESET);
        }
        dut.bench.tick();
        dut.settle();
    }
}
