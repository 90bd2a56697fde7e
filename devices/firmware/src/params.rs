//! `dtparam`: parameters that a device tree offers for its own properties.
//!
//! # Resources
//! - Raspberry Pi documentation, "Device Trees, overlays and parameters", 2.2.8: the node `__overrides__`, and the forms of its properties.
//!
//! A parameter is a property of that node: pairs of a node's phandle and a text that says which property of it to set, and how. Strings, numbers of 8 to
//! 64 bits and booleans are done here; tables, byte strings and what is for overlays are not.

use crate::filter::parse_number;
use tayberry_bcm2837::device_tree::{DeviceTree, Node};

const OVERRIDES: &str = "__overrides__";
const YES: [&str; 4] = ["y", "yes", "on", "true"];
const NO: [&str; 4] = ["n", "no", "off", "false"];

/// How a property is set.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    /// To a text, which for `status` may be a boolean.
    Text,
    /// A number of so many bytes at this place.
    Number { at: usize, bytes: usize },
    /// It is there, or it is not.
    Flag { inverted: bool },
}

/// Sets the parameters in the list `text`, `name=value` or `name`, separated by commas. Those that could not be set.
pub fn apply(tree: &mut DeviceTree, text: &str) -> Vec<String> {
    text.split(',').filter(|param| !param.is_empty() && set(tree, param).is_none()).map(String::from).collect()
}

fn set(tree: &mut DeviceTree, param: &str) -> Option<()> {
    let (name, value) = param.split_once('=').unwrap_or((param, "true"));
    let targets = parse(tree.root.child(OVERRIDES)?.property(name)?)?;
    // All of it or nothing.
    let mut changed = tree.clone();
    for (phandle, property, action) in targets {
        assign(find(&mut changed.root, phandle)?, &property, &action, value)?;
    }
    *tree = changed;
    Some(())
}

/// The targets of a parameter.
fn parse(mut bytes: &[u8]) -> Option<Vec<(u32, String, Action)>> {
    let mut targets = Vec::new();
    while let Some((phandle, rest)) = bytes.split_first_chunk::<4>() {
        let end = rest.iter().position(|&byte| byte == 0)?;
        let (property, action) = parse_target(std::str::from_utf8(&rest[..end]).ok()?)?;
        targets.push((u32::from_be_bytes(*phandle), property.to_owned(), action));
        bytes = &rest[end + 1..];
    }
    (bytes.is_empty() && !targets.is_empty()).then_some(targets)
}

fn parse_target(text: &str) -> Option<(&str, Action)> {
    if text.contains(['=', '{', '[']) {
        return None;
    }
    if let Some((property, _)) = text.split_once(['?', '!']) {
        let inverted = text.ends_with('!');
        return (property.len() + 1 == text.len()).then_some((property, Action::Flag { inverted }));
    }
    // Names have commas and dashes in them, and dots only before a place.
    let Some(split) =
        text.rfind([':', ';', '.', '#']).filter(|&at| text[at + 1..].bytes().all(|byte| byte.is_ascii_digit()) && at + 1 < text.len())
    else {
        return Some((text, Action::Text));
    };
    let bytes = match &text[split..=split] {
        ":" => 4,
        ";" => 2,
        "." => 1,
        _ => 8,
    };
    let at = text[split + 1..].parse().ok().filter(|&at: &usize| at < 4096)?;
    Some((&text[..split], Action::Number { at, bytes }))
}

fn boolean(value: &str) -> Option<bool> {
    if YES.contains(&value) {
        return Some(true);
    }
    NO.contains(&value).then_some(false)
}

fn assign(node: &mut Node, property: &str, action: &Action, value: &str) -> Option<()> {
    match *action {
        Action::Text => {
            let value = match boolean(value).filter(|_| property == "status") {
                Some(true) => "okay",
                Some(false) => "disabled",
                None => value,
            };
            node.set(property, format!("{value}\0"));
        }
        Action::Number { at, bytes } => {
            let number = boolean(value).map(i64::from).or_else(|| parse_number(value))?;
            let mut content = node.property(property).unwrap_or_default().to_vec();
            content.resize(content.len().max(at + bytes), 0);
            content[at..at + bytes].copy_from_slice(&number.to_be_bytes()[8 - bytes..]);
            node.set(property, content);
        }
        Action::Flag { inverted } => {
            let on = boolean(value).or_else(|| parse_number(value).map(|number| number != 0))?;
            node.properties.retain(|(name, _)| name != property.as_bytes());
            if on != inverted {
                node.set(property, []);
            }
        }
    }
    Some(())
}

/// The node with this phandle.
fn find(root: &mut Node, phandle: u32) -> Option<&mut Node> {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if phandle != 0 && node.property("phandle") == Some(phandle.to_be_bytes().as_slice()) {
            return Some(node);
        }
        open.extend(&mut node.children);
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tree with a bus of two nodes and parameters for them.
    pub(crate) fn tree(params: &[(&str, &[(u32, &str)])]) -> DeviceTree {
        let mut tree = DeviceTree::default();
        for (name, phandle) in [("spi@7e204000", 1u32), ("uart@7e201000", 2)] {
            let mut node = Node { name: name.into(), ..Node::default() };
            node.set("phandle", phandle.to_be_bytes());
            node.set("status", *b"disabled\0");
            tree.root.child_or_new("soc").children.push(node);
        }
        let overrides = tree.root.child_or_new(OVERRIDES);
        for (name, targets) in params {
            let value: Vec<u8> =
                targets.iter().flat_map(|(phandle, text)| [&phandle.to_be_bytes()[..], text.as_bytes(), &[0]].concat()).collect();
            overrides.set(name, value);
        }
        tree
    }

    fn after(params: &[(&str, &[(u32, &str)])], text: &str) -> (DeviceTree, usize) {
        let mut tree = tree(params);
        let left = apply(&mut tree, text);
        (tree, left.len())
    }

    fn property<'a>(tree: &'a DeviceTree, node: &str, name: &str) -> Option<&'a [u8]> {
        tree.root.child("soc").and_then(|soc| soc.child(node)).and_then(|node| node.property(name))
    }

    #[test]
    fn states_numbers_texts_and_flags() {
        let params: [(&str, &[(u32, &str)]); 6] = [
            ("spi", &[(1, "status"), (2, "status")]),
            ("speed", &[(1, "clock-frequency:0")]),
            ("second", &[(1, "reg:4")]),
            ("byte", &[(1, "mode.1")]),
            ("label", &[(2, "label")]),
            ("quiet", &[(2, "brcm,quiet?"), (2, "loud!")]),
        ];
        for (text, on) in [("spi=on", "okay\0"), ("spi", "okay\0"), ("spi=off", "disabled\0"), ("spi=okay", "okay\0")] {
            let (tree, left) = after(&params, text);
            assert_eq!(
                (property(&tree, "spi", "status"), property(&tree, "uart", "status"), left),
                (Some(on.as_bytes()), Some(on.as_bytes()), 0),
                "{text}"
            );
        }
        let (tree, left) = after(&params, "speed=0x10,second=-1,byte=7,label=x y,quiet");
        assert_eq!(left, 0);
        assert_eq!(property(&tree, "spi", "clock-frequency"), Some([0, 0, 0, 16].as_slice()));
        assert_eq!(property(&tree, "spi", "reg"), Some([0, 0, 0, 0, 255, 255, 255, 255].as_slice()));
        assert_eq!(property(&tree, "spi", "mode"), Some([0, 7].as_slice()));
        assert_eq!(property(&tree, "uart", "label"), Some(b"x y\0".as_slice()));
        assert_eq!((property(&tree, "uart", "brcm,quiet"), property(&tree, "uart", "loud")), (Some([].as_slice()), None));
        let (tree, _) = after(&params, "quiet=off");
        assert_eq!((property(&tree, "uart", "brcm,quiet"), property(&tree, "uart", "loud")), (None, Some([].as_slice())));
    }

    #[test]
    fn what_cannot_be_done_changes_nothing() {
        let params: [(&str, &[(u32, &str)]); 5] = [
            ("fixed", &[(1, "a:0=4")]),
            ("table", &[(1, "a:0{x=1}")]),
            ("lost", &[(1, "status"), (9, "status")]),
            ("number", &[(1, "a:0")]),
            ("none", &[]),
        ];
        for text in ["fixed=1", "table=x", "lost=on", "number=many", "none=on", "unknown=on", "=", "status"] {
            assert_eq!(after(&params, text), (tree(&params), 1), "{text}");
        }
        assert_eq!(apply(&mut DeviceTree::default(), "spi=on,i2c=on"), ["spi=on", "i2c=on"]);
    }

    proptest::proptest! {
        #[test]
        fn no_parameter_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40), text in "([a-z:;.#?!=0-9]|\\PC){0,12}", value in "[0-9a-z-]{0,20}") {
            let mut tree = tree(&[("text", &[(1, text.as_str()), (2, text.as_str())])]);
            tree.root.child_or_new(OVERRIDES).set("bytes", bytes);
            apply(&mut tree, &format!("text={value},bytes={value}"));
        }
    }
}
