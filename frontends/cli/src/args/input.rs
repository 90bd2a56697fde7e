//! Options about input: where keys go, and what is typed without anybody there.

use crate::report::Unusable;
use clap::parser::ArgMatches;
use clap::{Args, ValueEnum};
use tayberry_engine::handle::Input;
use tayberry_engine::hid::{KeysTo, Stroke};
use tayberry_engine::typist::{Script, Step};

/// Options about input.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// Where keys go. usb: to a USB keyboard. serial: to the serial port; no keyboard and no mouse are plugged in. both: to both at once. auto: those of the
    /// window to the keyboard while the guest looks after it, else to the serial port, and those of a terminal to the serial port
    #[arg(long, value_name = "auto|usb|serial|both", default_value = "auto", hide_possible_values = true)]
    keyboard: Keyboard,

    /// Type TEXT at the serial port (the one on stdio, else UART0), with \\n \\r \\t \\e \\\\ and \\xHH in it; at once, or after the --type-after before
    /// it. May be repeated: it is typed in the order of the command line
    #[arg(long = "type", value_name = "TEXT", allow_hyphen_values = true)]
    type_serial: Vec<String>,

    /// Type TEXT at the USB keyboard, as a US keyboard has it; otherwise like --type
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    type_usb: Vec<String>,

    /// What is typed next waits until any UART has printed TEXT. May be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    type_after: Vec<String>,
}

/// Where keys go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Keyboard {
    /// The frontend's own choice.
    #[default]
    Auto,
    /// The USB keyboard.
    Usb,
    /// The serial port, and nothing is plugged in.
    Serial,
    /// Both.
    Both,
}

impl Keyboard {
    /// Where keys go that are pressed in a window.
    #[cfg(feature = "desktop")]
    pub fn in_window(self) -> KeysTo {
        match self {
            Self::Auto => KeysTo::Watched,
            Self::Usb => KeysTo::Keyboard,
            Self::Serial => KeysTo::Serial,
            Self::Both => KeysTo::Both,
        }
    }

    /// Where keys go that are pressed in a terminal, which shows the serial port.
    pub fn in_terminal(self) -> KeysTo {
        match self {
            Self::Auto | Self::Serial => KeysTo::Serial,
            Self::Usb => KeysTo::Keyboard,
            Self::Both => KeysTo::Both,
        }
    }
}

/// A step of what is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    After(Vec<u8>),
    Serial(Vec<u8>),
    Usb(Vec<Input>),
}

/// What is asked of input.
#[derive(Clone, Debug, Default)]
pub struct InputOptions {
    pub keyboard: Keyboard,
    actions: Vec<Action>,
}

impl InputOptions {
    /// Reads the options; `matches` tells of their order.
    pub fn new(args: &InputArgs, matches: &ArgMatches) -> Result<Self, Unusable> {
        let mut actions = Vec::new();
        let mut add = |id: &str, option: &str, texts: &[String], action: &dyn Fn(String) -> Result<Action, String>| {
            for (index, text) in matches.indices_of(id).into_iter().flatten().zip(texts) {
                let wrong = |why: String| Unusable::new(format_args!("{option} {text:?}: {why}"));
                actions.push((index, action(unescape(text).map_err(wrong)?).map_err(wrong)?));
            }
            Ok(())
        };
        add("type_after", "--type-after", &args.type_after, &|text| match text.as_str() {
            "" => Err("it needs some text to wait for".into()),
            text => Ok(Action::After(text.into())),
        })?;
        add("type_serial", "--type", &args.type_serial, &|text| Ok(Action::Serial(text.into())))?;
        add("type_usb", "--type-usb", &args.type_usb, &|text| strokes(&text).map(Action::Usb))?;
        if args.keyboard == Keyboard::Serial && !args.type_usb.is_empty() {
            return Err(Unusable::new("--type-usb: with --keyboard serial no keyboard is plugged in"));
        }
        actions.sort_by_key(|(index, _)| *index);
        if let Some((_, Action::After(_))) = actions.last() {
            return Err(Unusable::new("--type-after: a --type or --type-usb has to follow"));
        }
        Ok(Self { keyboard: args.keyboard, actions: actions.into_iter().map(|(_, action)| action).collect() })
    }

    /// What the machine types, at serial port `port`.
    pub fn script(&self, port: usize) -> Script {
        let step = |action: &Action| match action.clone() {
            Action::After(text) => Step::Await(text),
            Action::Serial(bytes) => Step::Type(vec![Input::Serial { port, bytes }]),
            Action::Usb(inputs) => Step::Type(inputs),
        };
        self.actions.iter().map(step).collect()
    }
}

/// The keys of a text.
fn strokes(text: &str) -> Result<Vec<Input>, String> {
    let mut inputs = Vec::new();
    for letter in text.chars() {
        let stroke = Stroke::of(letter).ok_or_else(|| format!("a US keyboard has no key for {letter:?}"))?;
        inputs.extend(stroke.events().map(Input::from));
    }
    Ok(inputs)
}

/// A text without its escapes.
fn unescape(text: &str) -> Result<String, String> {
    let (mut out, mut letters) = (String::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        out.push(match letters.next() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('e') => '\x1b',
            Some('\\') => '\\',
            Some('x') => {
                let digits: String = letters.by_ref().take(2).collect();
                let code = u8::from_str_radix(&digits, 16).ok().filter(|code| digits.len() == 2 && code.is_ascii());
                char::from(code.ok_or("\\x needs two hexadecimal digits, up to 7f")?)
            }
            _ => return Err("after a backslash comes n, r, t, e, x or another one".into()),
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches, Parser};

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        input: InputArgs,
    }

    fn options(args: &[&str]) -> Result<InputOptions, String> {
        let matches = Command::command().try_get_matches_from(["tayberry"].iter().chain(args)).map_err(|error| error.to_string())?;
        let command = Command::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        InputOptions::new(&command.input, &matches).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_typed_keeps_the_order_of_the_command_line() {
        let all =
            ["--type", "a\\n", "--type-after", "login:", "--type-usb", "b", "--type", "-c", "--type-after", "\\x23", "--type", "\\\\"];
        let script = options(&all).expect("good").script(1);
        let serial = |text: &str| Step::Type(vec![Input::Serial { port: 1, bytes: text.into() }]);
        let key = |pressed| Input::Keyboard { usage: 5, pressed };
        let expected = [
            serial("a\n"),
            Step::Await(b"login:".to_vec()),
            Step::Type(vec![key(true), key(false)]),
            serial("-c"),
            Step::Await(b"#".to_vec()),
            serial("\\"),
        ];
        assert_eq!(script, expected);
        assert!(options(&[]).expect("good").script(0).is_empty());
    }

    #[test]
    fn errors_name_their_cause() {
        for (args, named) in [
            (vec!["--type", "\\q"], "backslash"),
            (vec!["--type", "\\x9"], "hexadecimal"),
            (vec!["--type", "\\xff"], "hexadecimal"),
            (vec!["--type-usb", "\u{e9}"], "no key"),
            (vec!["--type-after", ""], "some text"),
            (vec!["--type", "a", "--type-after", "b"], "has to follow"),
            (vec!["--keyboard", "serial", "--type-usb", "a"], "plugged in"),
            (vec!["--keyboard", "ps2"], "usb"),
        ] {
            let error = options(&args).expect_err("wrong");
            assert!(error.contains(named), "{args:?}: {error}");
        }
    }
}
