//! Lists of properties: `first,key=value,flag`, with `,,` for a comma.

/// An option's argument, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// What stands first without a key.
    pub first: String,
    pub pairs: Vec<(String, String)>,
}

impl Properties {
    /// Reads a list whose first element may stand without a key.
    pub fn parse(text: &str) -> Self {
        let mut properties = Self::default();
        for (index, element) in elements(text).into_iter().enumerate() {
            match element.split_once('=') {
                Some((key, value)) => properties.pairs.push((key.to_owned(), value.to_owned())),
                None if index == 0 => properties.first = element,
                // A flag.
                None => match element.strip_prefix("no") {
                    Some(key) if !key.is_empty() => properties.pairs.push((key.to_owned(), "off".to_owned())),
                    _ => properties.pairs.push((element, "on".to_owned())),
                },
            }
        }
        properties
    }

    /// The last value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// All values of a key.
    pub fn all(&self, key: &str) -> Vec<&str> {
        self.pairs.iter().filter(|(known, _)| known == key).map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a key, or else what stands first.
    pub fn get_or_first(&self, key: &str) -> &str {
        self.get(key).unwrap_or(&self.first)
    }

    /// A key that is on.
    pub fn is_on(&self, key: &str) -> bool {
        matches!(self.get(key), Some("on" | "yes" | "true" | "y"))
    }
}

/// The elements between single commas.
fn elements(text: &str) -> Vec<String> {
    let (mut elements, mut element) = (Vec::new(), String::new());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != ',' {
            element.push(letter);
        } else if letters.next_if_eq(&',').is_some() {
            element.push(',');
        } else {
            elements.push(std::mem::take(&mut element));
        }
    }
    if !element.is_empty() || elements.is_empty() {
        elements.push(element);
    }
    elements
}

/// A number as QEMU's options have it: decimal, 0x hexadecimal, 0 octal.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(&text[1..], 8).ok(),
        None => text.parse().ok(),
    }
}

/// A size with a suffix, in bytes; without one in MiB.
pub fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "m" | "mb" | "mib" => 20,
        "b" => 0,
        "k" | "kb" => 10,
        "g" | "gb" | "gib" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
