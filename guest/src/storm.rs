//! The modes of the storm guest, as the guest itself computes them (`storm/modes.c`): pure functions of the
//! storm's seed and the number of the change, so that a frame's generation says how it has to look.

/// What the messages of a storm change (`storm.kinds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kinds {
    /// Every message is a whole mode change with a buffer of its own.
    Full,
    /// About a quarter change only the virtual offset, the pixel order or the palette and keep the buffer.
    Mixed,
}

/// What one message of the storm changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Sizes, offset, depth, order, palette; a buffer is allocated and painted.
    All,
    /// The virtual offset.
    Offset,
    /// The pixel order: the painted colour shows with red and blue swapped.
    Order,
    /// The palette entry of the painted index.
    Palette,
}

/// The display's mode after a change of the storm. Sizes and offsets are in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode {
    /// Physical width: the width of the frame.
    pub width: u32,
    /// Physical height.
    pub height: u32,
    /// Width of the buffer.
    pub virtual_width: u32,
    /// Height of the buffer.
    pub virtual_height: u32,
    /// The frame's left edge in the buffer.
    pub offset_x: u32,
    /// The frame's top edge in the buffer.
    pub offset_y: u32,
    /// Bits per pixel: 8, 16, 24 or 32.
    pub depth: u32,
    /// Pixel order as in tag 0x00048006: 1 is RGB, 0 is BGR. Always 1 at depth 8.
    pub order: u32,
    /// The one colour of the buffer as the screen shows it, `0xRRGGBB`. At 16 bits it is what the channels' 5 and
    /// 6 bits widen to (`v << 3 | v >> 2` and `v << 2 | v >> 4`). Never black.
    pub colour_rgb: u32,
    /// The painted palette index at depth 8; at other depths without meaning.
    pub palette_index: u32,
    /// Whether the message allocates a buffer.
    pub allocates: bool,
    /// What the message changes.
    pub change: Change,
}

/// What a hash is for; each purpose has a hash of its own.
#[derive(Clone, Copy)]
enum Salt {
    Size = 1,
    Big,
    Extra,
    Depth,
    Offset,
    Colour,
    Index,
    Change,
}

fn splitmix64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn hash(seed: u64, n: u64, salt: Salt) -> u64 {
    splitmix64(splitmix64(seed).wrapping_add(n << 8).wrapping_add(salt as u64))
}

/// The `i`-th 16 bits of a hash.
fn part(hash: u64, i: u32) -> u32 {
    (hash >> (16 * i)) as u32 & 0xFFFF
}

/// What remains of a colour at a depth, back at 8 bits a channel.
fn on_screen(colour: u32, depth: u32) -> u32 {
    if depth != 16 {
        return colour;
    }
    let (r, g, b) = (colour >> 19 & 31, colour >> 10 & 63, colour >> 3 & 31);
    (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2)
}

fn colour(seed: u64, n: u64, depth: u32) -> u32 {
    match on_screen(hash(seed, n, Salt::Colour) as u32 & 0xFF_FFFF, depth) {
        0 => on_screen(0x08_0808, depth),
        colour => colour,
    }
}

/// Whether message `n` asks for less than everything, and the hash that decides what.
fn partial(seed: u64, n: u64, kinds: Kinds) -> Option<u64> {
    let h = hash(seed, n, Salt::Change);
    (kinds == Kinds::Mixed && n > 1 && h & 3 == 0).then_some(h)
}

impl Mode {
    /// Where a frame of this mode may lie in the buffer, as message `n` chooses it.
    fn offset(&self, seed: u64, n: u64) -> (u32, u32) {
        let h = hash(seed, n, Salt::Offset);
        (part(h, 0) % (self.virtual_width - self.width + 1), part(h, 1) % (self.virtual_height - self.height + 1))
    }

    fn all(seed: u64, n: u64) -> Self {
        let size = hash(seed, n, Salt::Size);
        let extra = hash(seed, n, Salt::Extra);
        let format = hash(seed, n, Salt::Depth);
        let (width, height) = if hash(seed, n, Salt::Big).is_multiple_of(512) {
            (320 + part(size, 0) % 1601, 240 + part(size, 2) % 841)
        } else {
            let lesser = |i| (part(size, i) % 320).min(part(size, i + 1) % 320);
            (1 + lesser(0), 1 + lesser(2))
        };
        let beyond = |i| match part(extra, i) & 1 {
            1 => part(extra, i + 1) % 40,
            _ => 0,
        };
        let depth = 8 * (1 + (format & 3) as u32);
        let mut mode = Mode {
            width,
            height,
            virtual_width: width + beyond(0),
            virtual_height: height + beyond(2),
            offset_x: 0,
            offset_y: 0,
            depth,
            order: if depth == 8 { 1 } else { (format >> 2 & 1) as u32 },
            colour_rgb: colour(seed, n, depth),
            palette_index: 1 + (hash(seed, n, Salt::Index) % 255) as u32,
            allocates: true,
            change: Change::All,
        };
        (mode.offset_x, mode.offset_y) = mode.offset(seed, n);
        mode
    }

    /// Applies message `n`, which changes less than everything.
    fn amend(&mut self, seed: u64, n: u64, h: u64) {
        let room_x = self.virtual_width - self.width;
        let room_y = self.virtual_height - self.height;
        self.allocates = false;
        if (room_x > 0 || room_y > 0) && h & 4 != 0 {
            self.change = Change::Offset;
            let before = (self.offset_x, self.offset_y);
            (self.offset_x, self.offset_y) = self.offset(seed, n);
            if (self.offset_x, self.offset_y) == before {
                if room_x > 0 {
                    self.offset_x = (self.offset_x + 1) % (room_x + 1);
                } else {
                    self.offset_y = (self.offset_y + 1) % (room_y + 1);
                }
            }
        } else if self.depth == 8 {
            self.change = Change::Palette;
            let before = self.colour_rgb;
            self.colour_rgb = colour(seed, n, self.depth);
            if self.colour_rgb == before {
                self.colour_rgb = before % 0xFF_FFFF + 1;
            }
        } else {
            self.change = Change::Order;
            let c = self.colour_rgb;
            self.order ^= 1;
            self.colour_rgb = (c & 0xFF) << 16 | (c & 0xFF00) | c >> 16;
        }
    }

    /// The colour as a pixel in the guest's memory, little endian, in the low `depth` bits. At 24 and 32 bits
    /// the bits above 24 are ones.
    #[must_use]
    pub fn pixel(&self) -> u32 {
        if self.depth == 8 {
            return self.palette_index;
        }
        let c = self.colour_rgb;
        let (mut r, g, mut b) = (c >> 16, c >> 8 & 0xFF, c & 0xFF);
        if self.order == 0 {
            std::mem::swap(&mut r, &mut b);
        }
        match self.depth {
            16 => r >> 3 << 11 | g >> 2 << 5 | b >> 3,
            _ => 0xFF00_0000 | b << 16 | g << 8 | r,
        }
    }
}

/// The mode after message `n` (from 1) of the storm with `seed`. Message 0 is none, the display's state before
/// the storm: asked for it, the function answers as for 1.
#[must_use]
pub fn mode(seed: u64, n: u64, kinds: Kinds) -> Mode {
    let n = n.max(1);
    let mut first = n;
    while partial(seed, first, kinds).is_some() {
        first -= 1;
    }
    let mut mode = Mode::all(seed, first);
    for n in first + 1..=n {
        if let Some(h) = partial(seed, n, kinds) {
            mode.amend(seed, n, h);
        }
    }
    mode
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the guest prints with `storm.print=1 storm.count=20000 storm.seed=1`.
    const FULL: &str = include_str!("../storm/expected-full.txt");
    const MIXED: &str = include_str!("../storm/expected-mixed.txt");
    const COUNT: u64 = 20_000;

    fn line(n: u64, m: &Mode) -> String {
        format!(
            "{n} {}x{} virtual {}x{} offset {},{} depth {} order {} colour {:06x} allocates {} pixel {:08x}",
            m.width,
            m.height,
            m.virtual_width,
            m.virtual_height,
            m.offset_x,
            m.offset_y,
            m.depth,
            m.order,
            m.colour_rgb,
            u32::from(m.allocates),
            m.pixel(),
        )
    }

    fn fnv1a(sum: u64, value: u32) -> u64 {
        value.to_le_bytes().iter().fold(sum, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
    }

    fn digest(kinds: Kinds) -> u64 {
        (1..=COUNT).fold(0xCBF2_9CE4_8422_2325, |sum, n| {
            let m = mode(1, n, kinds);
            [
                m.width,
                m.height,
                m.virtual_width,
                m.virtual_height,
                m.offset_x,
                m.offset_y,
                m.depth,
                m.order,
                m.colour_rgb,
                u32::from(m.allocates),
                m.pixel(),
            ]
            .into_iter()
            .fold(sum, fnv1a)
        })
    }

    fn mirrors(expected: &str, kinds: Kinds, name: &str) {
        let lines: Vec<&str> = expected.lines().map(str::trim_end).collect();
        assert_eq!(lines.len(), 201);
        for (n, expected) in (1..).zip(&lines[..200]) {
            assert_eq!(*expected, line(n, &mode(1, n, kinds)));
        }
        let expected = format!("digest of {COUNT} modes, seed 1, {name}: {:016x}", digest(kinds));
        assert_eq!(lines[200], expected);
    }

    #[test]
    fn full_changes_are_the_guests() {
        mirrors(FULL, Kinds::Full, "full");
    }

    #[test]
    fn mixed_changes_are_the_guests() {
        mirrors(MIXED, Kinds::Mixed, "mixed");
    }

    #[test]
    fn every_message_of_a_mixed_storm_changes_something_and_all_kinds_occur() {
        let mut seen = [0u32; 4];
        for n in 2..=COUNT {
            let (before, now) = (mode(1, n - 1, Kinds::Mixed), mode(1, n, Kinds::Mixed));
            seen[now.change as usize] += 1;
            assert_eq!(now.allocates, now.change == Change::All);
            let kept = Mode { allocates: now.allocates, change: now.change, ..before };
            assert!(now.change == Change::All || now != kept, "change {n}");
        }
        assert!(seen.iter().all(|&count| count > 500), "{seen:?}");
    }

    #[test]
    fn frames_fit_their_buffers_and_are_never_black() {
        for n in 1..=COUNT {
            let m = mode(7, n, Kinds::Mixed);
            assert!(m.offset_x + m.width <= m.virtual_width);
            assert!(m.offset_y + m.height <= m.virtual_height);
            assert!(m.width <= 1920 && m.height <= 1080);
            assert!(m.colour_rgb != 0 && m.colour_rgb <= 0xFF_FFFF);
        }
    }

    #[test]
    fn buffers_are_small_on_average() {
        let bytes: u64 =
            (1..=COUNT).map(|n| mode(1, n, Kinds::Full)).map(|m| u64::from(m.virtual_width * m.virtual_height * (m.depth / 8))).sum();
        assert!((20_000..40_000).contains(&(bytes / COUNT)), "{}", bytes / COUNT);
    }
}
