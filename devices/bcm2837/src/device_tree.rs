//! Device tree blobs: read, patched as a boot loader does, and written.
//!
//! # Resources
//! - Devicetree Specification v0.4, chapter 5: the flattened format.
//!
//! Crates of this field read trees or write new ones; none edits one and keeps names longer than the specification allows, which real blobs have.

use crate::framebuffer::BootFramebuffer;
use std::collections::HashMap;
use tayberry_engine::display::Depth;
use thiserror::Error;

const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
const LAST_COMPATIBLE: u32 = 16;
const HEADER_BYTES: usize = 40;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;
/// Deeper trees are refused.
const MAX_DEPTH: usize = 64;

/// Why a blob cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// Not a device tree at all.
    #[error("the device tree does not begin with the magic number d00dfeed")]
    Magic,
    /// A format from before 2005, or from the future.
    #[error("the device tree's format version {0} is not supported")]
    Version(u32),
    /// A part of it lies outside of the file, or is not what must stand there.
    #[error("the device tree is broken: {0}")]
    Broken(&'static str),
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Name with unit address; empty for the root.
    pub name: Vec<u8>,
    /// Properties in order.
    pub properties: Vec<(Vec<u8>, Vec<u8>)>,
    /// Children in order.
    pub children: Vec<Node>,
}

impl Node {
    /// Value of a property.
    pub fn property(&self, name: &str) -> Option<&[u8]> {
        self.properties.iter().find(|property| property.0 == name.as_bytes()).map(|property| property.1.as_slice())
    }

    /// Sets a property, in its place if it is there.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        match self.properties.iter_mut().find(|property| property.0 == name.as_bytes()) {
            Some(property) => property.1 = value.into(),
            None => self.properties.push((name.into(), value.into())),
        }
    }

    /// A child by its name without unit address.
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.is_called(name))
    }

    /// The same, made if it is not there.
    pub fn child_or_new(&mut self, name: &str) -> &mut Node {
        let at = self.children.iter().position(|child| child.is_called(name)).unwrap_or_else(|| {
            self.children.push(Node { name: name.into(), ..Node::default() });
            self.children.len() - 1
        });
        &mut self.children[at]
    }

    fn is_called(&self, name: &str) -> bool {
        self.name.split(|&byte| byte == b'@').next() == Some(name.as_bytes())
    }

    fn is_compatible(&self, compatibles: &[&str]) -> bool {
        let own = self.property("compatible").unwrap_or_default();
        own.split(|&byte| byte == 0).any(|own| compatibles.iter().any(|compatible| own == compatible.as_bytes()))
    }

    /// A property of one cell.
    fn cell(&self, name: &str) -> Option<u32> {
        Some(u32::from_be_bytes(self.property(name)?.try_into().ok()?))
    }
}

/// A device tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceTree {
    /// Reserved memory: address and size.
    pub reservations: Vec<(u64, u64)>,
    /// Physical id of the CPU that boots.
    pub boot_cpu: u32,
    /// The root node.
    pub root: Node,
}

/// What a boot loader puts into a tree.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patch<'a> {
    /// Kernel command line; the file's own stays if there is none.
    pub command_line: Option<&'a str>,
    /// Start and end of the initial RAM disk.
    pub initrd: Option<(u32, u32)>,
    /// Bytes of memory from address 0 on that belong to the ARM.
    pub memory: u32,
    /// The frame buffer that is on the screen already.
    pub framebuffer: Option<BootFramebuffer>,
}

/// Big-endian words of a part of a blob.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn part(blob: &'a [u8], offset: u32, what: &'static str) -> Result<Self, TreeError> {
        let bytes = blob.get(offset as usize..).ok_or(TreeError::Broken(what))?;
        Ok(Self { bytes, at: 0 })
    }

    fn u32(&mut self) -> Result<u32, TreeError> {
        let word = self.bytes.get(self.at..self.at + 4).and_then(|word| word.try_into().ok());
        self.at += 4;
        word.map(u32::from_be_bytes).ok_or(TreeError::Broken("it ends early"))
    }

    fn u64(&mut self) -> Result<u64, TreeError> {
        Ok(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }

    /// Bytes up to a NUL, which is skipped.
    fn text(&mut self) -> Result<&'a [u8], TreeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| byte == 0).ok_or(TreeError::Broken("a name has no end"))?;
        self.at += len + 1;
        Ok(&rest[..len])
    }

    fn data(&mut self, len: u32) -> Result<&'a [u8], TreeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let data = rest.get(..len as usize).ok_or(TreeError::Broken("a property is longer than the file"))?;
        self.at += data.len();
        Ok(data)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(4);
    }
}

impl DeviceTree {
    /// Reads a blob.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn parse(blob: &[u8]) -> Result<Self, TreeError> {
        let mut header = Reader { bytes: blob, at: 0 };
        if header.u32() != Ok(MAGIC) {
            return Err(TreeError::Magic);
        }
        let total = header.u32()?;
        let (structure, strings, reservations) = (header.u32()?, header.u32()?, header.u32()?);
        let (version, compatible, boot_cpu) = (header.u32()?, header.u32()?, header.u32()?);
        if version < LAST_COMPATIBLE || compatible > VERSION {
            return Err(TreeError::Version(version));
        }
        let blob = blob.get(..total as usize).ok_or(TreeError::Broken("the file is shorter than its header says"))?;
        let strings = blob.get(strings as usize..).ok_or(TreeError::Broken("its strings lie outside of the file"))?;
        let reservations = Self::parse_reservations(Reader::part(blob, reservations, "its reservations lie outside of the file")?)?;
        let structure = Reader::part(blob, structure, "its structure lies outside of the file")?;
        Ok(Self { reservations, boot_cpu, root: Self::parse_structure(structure, strings)? })
    }

    fn parse_reservations(mut reader: Reader<'_>) -> Result<Vec<(u64, u64)>, TreeError> {
        let mut all = Vec::new();
        loop {
            match (reader.u64()?, reader.u64()?) {
                (0, 0) => return Ok(all),
                entry => all.push(entry),
            }
        }
    }

    fn parse_structure(mut reader: Reader<'_>, strings: &[u8]) -> Result<Node, TreeError> {
        // Nodes that are open, outermost first.
        let mut open: Vec<Node> = Vec::new();
        loop {
            match reader.u32()? {
                BEGIN_NODE if open.len() < MAX_DEPTH => {
                    open.push(Node { name: reader.text()?.to_vec(), ..Node::default() });
                    reader.align();
                }
                BEGIN_NODE => return Err(TreeError::Broken("nodes are nested too deeply")),
                PROP => {
                    let (len, name) = (reader.u32()?, reader.u32()?);
                    let value = reader.data(len)?.to_vec();
                    reader.align();
                    let name = Reader { bytes: strings, at: name as usize }.text()?.to_vec();
                    let node = open.last_mut().ok_or(TreeError::Broken("a property outside of any node"))?;
                    node.properties.push((name, value));
                }
                END_NODE => {
                    let node = open.pop().ok_or(TreeError::Broken("a node ends that did not begin"))?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return Self::check_end(reader, node),
                    }
                }
                NOP => {}
                _ => return Err(TreeError::Broken("an unknown token in its structure")),
            }
        }
    }

    fn check_end(mut reader: Reader<'_>, root: Node) -> Result<Node, TreeError> {
        loop {
            match reader.u32()? {
                NOP => {}
                END => return Ok(root),
                _ => return Err(TreeError::Broken("more than one root node")),
            }
        }
    }

    /// Writes a blob.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.node(&self.root);
        writer.word(END);
        let Writer { structure, strings, .. } = writer;
        let reserved = 16 * (self.reservations.len() + 1);
        let at_structure = HEADER_BYTES + reserved;
        let at_strings = at_structure + structure.len();
        let total = (at_strings + strings.len()).next_multiple_of(4);
        let header = [
            MAGIC,
            total as u32,
            at_structure as u32,
            at_strings as u32,
            HEADER_BYTES as u32,
            VERSION,
            LAST_COMPATIBLE,
            self.boot_cpu,
            strings.len() as u32,
            structure.len() as u32,
        ];
        let mut blob: Vec<u8> = header.into_iter().flat_map(u32::to_be_bytes).collect();
        for (address, size) in self.reservations.iter().chain([&(0, 0)]) {
            blob.extend(address.to_be_bytes());
            blob.extend(size.to_be_bytes());
        }
        blob.extend(structure);
        blob.extend(strings);
        blob.resize(total, 0);
        blob
    }

    /// Puts in what a boot loader knows.
    pub fn apply(&mut self, patch: &Patch<'_>) {
        let cells = |name| self.root.cell(name).unwrap_or(if name == "#address-cells" { 2 } else { 1 });
        // Absurd widths come from broken files; four cells are the most there is.
        let widths = (cells("#address-cells").clamp(1, 4), cells("#size-cells").clamp(1, 4));
        let memory = self.root.child_or_new("memory");
        memory.set("device_type", *b"memory\0");
        memory.set("reg", region(0, patch.memory, widths));
        let chosen = self.root.child_or_new("chosen");
        if let Some(text) = patch.command_line {
            let mut text = text.as_bytes().to_vec();
            text.push(0);
            chosen.set("bootargs", text);
        }
        if let Some((start, end)) = patch.initrd {
            chosen.set("linux,initrd-start", start.to_be_bytes());
            chosen.set("linux,initrd-end", end.to_be_bytes());
        }
        if let Some(framebuffer) = patch.framebuffer {
            set_framebuffer(chosen, framebuffer, widths);
        }
    }

    /// Disables what is compatible with any of `compatibles`, as the firmware does with what its configuration leaves out.
    pub fn disable(&mut self, compatibles: &[&str]) {
        let mut open = vec![&mut self.root];
        while let Some(node) = open.pop() {
            if node.is_compatible(compatibles) {
                node.set("status", *b"disabled\0");
            }
            open.extend(&mut node.children);
        }
    }
}

/// A `reg` of one region, with addresses and sizes as many cells wide as `widths` says.
fn region(address: u32, size: u32, widths: (u32, u32)) -> Vec<u8> {
    let mut reg = Vec::new();
    for (value, cells) in [(address, widths.0), (size, widths.1)] {
        reg.extend(vec![0; 4 * (cells as usize - 1)]);
        reg.extend(value.to_be_bytes());
    }
    reg
}

/// Tells the kernel of the frame buffer (Linux, Documentation/devicetree/bindings/display/simple-framebuffer.yaml). A node of the file's own that
/// describes another is replaced.
fn set_framebuffer(chosen: &mut Node, framebuffer: BootFramebuffer, widths: (u32, u32)) {
    let BootFramebuffer { base, geometry } = framebuffer;
    let format: &[u8] = match geometry.depth {
        Depth::Rgb15 => b"x1r5g5b5\0",
        Depth::Rgb16 => b"r5g6b5\0",
        Depth::Rgb24 => b"r8g8b8\0",
        Depth::Rgb32 => b"a8r8g8b8\0",
        // No kernel is told of palettes.
        Depth::Indexed8 => return,
    };
    chosen.set("#address-cells", widths.0.to_be_bytes());
    chosen.set("#size-cells", widths.1.to_be_bytes());
    chosen.set("ranges", []);
    chosen.children.retain(|child| !child.is_called("framebuffer"));
    let mut node = Node { name: format!("framebuffer@{base:x}").into(), ..Node::default() };
    node.set("compatible", *b"simple-framebuffer\0");
    node.set("reg", region(base as u32, geometry.bytes() as u32, widths));
    node.set("width", geometry.physical.0.to_be_bytes());
    node.set("height", geometry.physical.1.to_be_bytes());
    node.set("stride", geometry.pitch.to_be_bytes());
    node.set("format", format);
    node.set("status", *b"okay\0");
    chosen.children.push(node);
}

/// A blob's structure and strings while they are written.
#[derive(Default)]
struct Writer {
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// Offsets of the names in `strings`.
    names: HashMap<Vec<u8>, u32>,
}

impl Writer {
    fn word(&mut self, word: u32) {
        self.structure.extend(word.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.structure.extend(bytes);
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }

    fn name(&mut self, name: &[u8]) -> u32 {
        if let Some(&at) = self.names.get(name) {
            return at;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(name);
        self.strings.push(0);
        self.names.insert(name.to_vec(), at);
        at
    }

    fn node(&mut self, node: &Node) {
        self.word(BEGIN_NODE);
        let mut name = node.name.clone();
        name.push(0);
        self.bytes(&name);
        for (name, value) in &node.properties {
            let name = self.name(name);
            self.word(PROP);
            self.word(value.len() as u32);
            self.word(name);
            self.bytes(value);
        }
        node.children.iter().for_each(|child| self.node(child));
        self.word(END_NODE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framebuffer::Framebuffer;

    fn tree() -> DeviceTree {
        let mut root = Node::default();
        root.set("#address-cells", 1u32.to_be_bytes());
        root.set("#size-cells", 1u32.to_be_bytes());
        root.set("model", *b"Raspberry Pi 3 Model B\0");
        let mut chosen = Node { name: b"chosen".to_vec(), ..Node::default() };
        chosen.set("bootargs", *b"earlycon\0");
        chosen.set("stdout-path", *b"serial0:115200n8\0");
        let mut memory = Node { name: b"memory@0".to_vec(), ..Node::default() };
        memory.set("reg", [0; 8]);
        let symbols = Node {
            name: b"__symbols__".to_vec(),
            properties: vec![(b"a_label_of_more_than_thirty_one_characters".to_vec(), b"/soc\0".to_vec())],
            children: vec![],
        };
        root.children = vec![chosen, memory, symbols];
        DeviceTree { reservations: vec![(0, 0x1000)], boot_cpu: 2, root }
    }

    #[test]
    fn a_tree_survives_writing_and_reading() {
        let blob = tree().to_bytes();
        assert_eq!(DeviceTree::parse(&blob), Ok(tree()));
        let mut padded = blob.clone();
        padded.extend([0xff; 100]);
        assert_eq!(DeviceTree::parse(&padded), Ok(tree()), "what follows the blob does not matter");
    }

    #[test]
    fn a_boot_loaders_patch() {
        let mut patched = tree();
        let patch =
            Patch { command_line: Some("console=ttyAMA0"), initrd: Some((0x100_0000, 0x123_4567)), memory: 0x3B40_0000, framebuffer: None };
        patched.apply(&patch);
        let patched = DeviceTree::parse(&patched.to_bytes()).expect("a tree");
        let chosen = patched.root.child("chosen").expect("there");
        assert_eq!(chosen.property("bootargs"), Some(b"console=ttyAMA0\0".as_slice()));
        assert_eq!(chosen.property("linux,initrd-start"), Some([1, 0, 0, 0].as_slice()));
        assert_eq!(chosen.property("linux,initrd-end"), Some([1, 0x23, 0x45, 0x67].as_slice()));
        assert_eq!(chosen.property("stdout-path"), Some(b"serial0:115200n8\0".as_slice()));
        let memory = patched.root.child("memory").expect("there");
        assert_eq!(memory.property("reg"), Some([0, 0, 0, 0, 0x3B, 0x40, 0, 0].as_slice()));
        assert_eq!(patched.root.children.len(), 3);
    }

    #[test]
    fn the_firmwares_frame_buffer() {
        let mut patched = tree();
        let mut stale = Node { name: b"framebuffer@1000".to_vec(), ..Node::default() };
        stale.set("status", *b"disabled\0");
        patched.root.child_or_new("chosen").children.push(stale);
        let framebuffer = Framebuffer::at_boot((1024, 768), 0x3B80_0001);
        patched.apply(&Patch { framebuffer: Some(framebuffer), ..Patch::default() });
        let chosen = patched.root.child("chosen").expect("there");
        assert_eq!(
            (chosen.cell("#address-cells"), chosen.cell("#size-cells"), chosen.property("ranges")),
            (Some(1), Some(1), Some(&[][..]))
        );
        assert_eq!(chosen.children.len(), 1);
        let node = &chosen.children[0];
        assert_eq!(node.name, b"framebuffer@3b801000");
        assert_eq!(node.property("reg"), Some([0x3B, 0x80, 0x10, 0, 0, 0x18, 0, 0].as_slice()));
        assert_eq!((node.cell("width"), node.cell("height"), node.cell("stride")), (Some(1024), Some(768), Some(2048)));
        assert_eq!(node.property("status"), Some(b"okay\0".as_slice()));
    }

    #[test]
    fn the_frame_buffers_format_follows_its_depth() {
        use crate::framebuffer::Initial;
        for (depth, format) in [
            (Depth::Rgb15, Some("x1r5g5b5\0")),
            (Depth::Rgb24, Some("r8g8b8\0")),
            (Depth::Rgb32, Some("a8r8g8b8\0")),
            (Depth::Indexed8, None),
        ] {
            let initial = Initial { depth, ..Initial::from((640, 480)) };
            let mut patched = tree();
            patched.apply(&Patch { framebuffer: Some(Framebuffer::at_boot(initial, 0)), ..Patch::default() });
            let node = patched.root.child("chosen").and_then(|chosen| chosen.child("framebuffer"));
            assert_eq!(node.and_then(|node| node.property("format")), format.map(str::as_bytes), "{depth:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_disabled_wherever_it_is() {
        let mut without = tree();
        let mut chip = Node { name: b"bluetooth".to_vec(), ..Node::default() };
        chip.set("compatible", *b"vendor,chip\0brcm,bcm43438-bt\0");
        without.root.child_or_new("soc").child_or_new("serial@7e201000").children.push(chip);
        without.disable(&["brcm,bcm43438", "brcm,bcm43438-bt"]);
        let serial = without.root.child("soc").and_then(|soc| soc.child("serial")).expect("there");
        assert_eq!(serial.child("bluetooth").and_then(|chip| chip.property("status")), Some(b"disabled\0".as_slice()));
        assert_eq!((serial.property("status"), without.root.property("status")), (None, None));
    }

    #[test]
    fn what_is_missing_is_made_and_the_files_command_line_stays() {
        let mut wide = DeviceTree::default();
        wide.root.set("#address-cells", 2u32.to_be_bytes());
        wide.root.set("#size-cells", 2u32.to_be_bytes());
        wide.apply(&Patch { memory: 0x3B40_0000, ..Patch::default() });
        let reg = wide.root.child("memory").and_then(|memory| memory.property("reg")).expect("made");
        assert_eq!(reg, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3B, 0x40, 0, 0]);
        let mut kept = tree();
        kept.apply(&Patch { memory: 1, ..Patch::default() });
        assert_eq!(kept.root.child("chosen").and_then(|chosen| chosen.property("bootargs")), Some(b"earlycon\0".as_slice()));
    }

    #[test]
    fn broken_blobs_are_errors() {
        let blob = tree().to_bytes();
        assert_eq!(DeviceTree::parse(b""), Err(TreeError::Magic));
        assert_eq!(DeviceTree::parse(b"\x7fELF and more"), Err(TreeError::Magic));
        let mut old = blob.clone();
        old[23] = 3;
        assert_eq!(DeviceTree::parse(&old), Err(TreeError::Version(3)));
        for len in 4..blob.len() {
            assert!(matches!(DeviceTree::parse(&blob[..len]), Err(TreeError::Broken(_))), "{len}");
        }
        let deep = [BEGIN_NODE.to_be_bytes(), [0; 4]].concat().repeat(MAX_DEPTH + 1);
        assert_eq!(DeviceTree::parse_structure(Reader { bytes: &deep, at: 0 }, b""), Err(TreeError::Broken("nodes are nested too deeply")));
    }

    proptest::proptest! {
        #[test]
        fn no_damage_makes_the_reader_panic(damage in proptest::collection::vec((0usize..400, proptest::num::u8::ANY), 1..8)) {
            let mut blob = tree().to_bytes();
            for (at, byte) in damage {
                let len = blob.len();
                blob[at % len] = byte;
            }
            if let Ok(mut tree) = DeviceTree::parse(&blob) {
                tree.apply(&Patch::default());
                proptest::prop_assert_eq!(DeviceTree::parse(&tree.to_bytes()), Ok(tree));
            }
        }
    }
}
