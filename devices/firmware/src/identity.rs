//! What the firmware writes into a device tree about the board that it is on.
//!
//! # Resources
//! - Raspberry Pi documentation, "Device Trees, overlays and parameters", and what boards have in /proc/device-tree: `serial-number`, the node `system`,
//!   the MAC address of the node that the alias `ethernet` names.

use crate::config::Identity;
use tayberry_bcm2837::device_tree::{DeviceTree, Node};
use tayberry_bcm2837::property::MailboxPlugin;

/// Aliases of the network controller, by the vendor's trees and by Linux's own.
const ETHERNET: [&str; 2] = ["ethernet", "ethernet0"];

/// Writes them in.
pub fn write(tree: &mut DeviceTree, board: &Identity) {
    let root = &mut tree.root;
    root.set("serial-number", format!("{:016x}\0", board.serial));
    let system = root.child_or_new("system");
    system.set("linux,serial", board.serial.to_be_bytes());
    system.set("linux,revision", board.revision.to_be_bytes());
    let aliases = root.child("aliases");
    let path = ETHERNET.iter().find_map(|name| aliases?.property(name)).map(<[u8]>::to_vec);
    if let Some(controller) = path.and_then(|path| find(root, path.strip_suffix(b"\0").unwrap_or(&path))) {
        controller.set("local-mac-address", MailboxPlugin::mac_of_serial(board.serial));
    }
}

/// The node at a path with unit addresses.
fn find<'a>(root: &'a mut Node, path: &[u8]) -> Option<&'a mut Node> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
        .try_fold(root, |node, name| node.children.iter_mut().find(|child| child.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_the_mac_address() {
        let board = Identity { serial: 0x1234_5678, revision: 0x00a0_2082, ..Identity::default() };
        for alias in ["ethernet", "ethernet0"] {
            let mut tree = DeviceTree::default();
            tree.root.child_or_new("aliases").set(alias, *b"/soc/usb@7e980000/ethernet@1\0");
            let mut usb = Node { name: b"usb@7e980000".to_vec(), ..Node::default() };
            usb.children.push(Node { name: b"ethernet@1".to_vec(), ..Node::default() });
            tree.root.child_or_new("soc").children.push(usb);
            write(&mut tree, &board);
            assert_eq!(tree.root.property("serial-number"), Some(b"0000000012345678\0".as_slice()));
            let system = tree.root.child("system").expect("made");
            assert_eq!(system.property("linux,serial"), Some([0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78].as_slice()));
            assert_eq!(system.property("linux,revision"), Some([0, 0xa0, 0x20, 0x82].as_slice()));
            let controller = find(&mut tree.root, b"/soc/usb@7e980000/ethernet@1").expect("there");
            assert_eq!(controller.property("local-mac-address"), Some([0xb8, 0x27, 0xeb, 0x34, 0x56, 0x78].as_slice()));
        }
    }

    #[test]
    fn aliases_that_lead_nowhere() {
        for path in [&b"/nowhere\0"[..], b"", b"\0", b"soc", b"/soc/x"] {
            let mut tree = DeviceTree::default();
            tree.root.child_or_new("aliases").set("ethernet", path);
            write(&mut tree, &Identity::default());
            assert!(tree.root.property("serial-number").is_some());
        }
    }
}
