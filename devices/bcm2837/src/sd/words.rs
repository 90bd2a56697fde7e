//! Commands to SD cards in words (SD Physical Layer Simplified Specification, 4.7.4).

use super::card::{Data, Outcome, Response};

/// The name of a command; where an application command has the same number, both.
pub fn command(index: u32) -> &'static str {
    match index {
        0 => "GO_IDLE_STATE",
        2 => "ALL_SEND_CID",
        3 => "SEND_RELATIVE_ADDR",
        4 => "SET_DSR",
        6 => "SWITCH_FUNC, or after CMD55 SET_BUS_WIDTH",
        7 => "SELECT_CARD",
        8 => "SEND_IF_COND",
        9 => "SEND_CSD",
        10 => "SEND_CID",
        11 => "VOLTAGE_SWITCH",
        12 => "STOP_TRANSMISSION",
        13 => "SEND_STATUS, or after CMD55 SD_STATUS",
        15 => "GO_INACTIVE_STATE",
        16 => "SET_BLOCKLEN",
        17 => "READ_SINGLE_BLOCK",
        18 => "READ_MULTIPLE_BLOCK",
        19 => "SEND_TUNING_BLOCK",
        20 => "SPEED_CLASS_CONTROL",
        22 => "SEND_NUM_WR_BLOCKS",
        23 => "SET_BLOCK_COUNT, or after CMD55 SET_WR_BLK_ERASE_COUNT",
        24 => "WRITE_BLOCK",
        25 => "WRITE_MULTIPLE_BLOCK",
        27 => "PROGRAM_CSD",
        32 => "ERASE_WR_BLK_START",
        33 => "ERASE_WR_BLK_END",
        38 => "ERASE",
        41 => "SD_SEND_OP_COND",
        42 => "LOCK_UNLOCK, or after CMD55 SET_CLR_CARD_DETECT",
        51 => "SEND_SCR",
        55 => "APP_CMD",
        56 => "GEN_CMD",
        _ => "no command of SD cards",
    }
}

/// What a card answers.
pub fn response(response: &Response) -> String {
    match response {
        Response::None => "no answer".into(),
        Response::Short(word) => format!("answers {word:#010x}"),
        Response::Busy(word) => format!("answers {word:#010x}, may be busy"),
        Response::Long(words) => format!("answers {words:#034x}"),
    }
}

/// What a command comes to.
pub fn outcome(outcome: &Outcome) -> String {
    let data = match &outcome.data {
        None => String::new(),
        Some(Data::Memory { write, start, block, blocks }) => {
            let (what, number) = (if *write { "write" } else { "read" }, start / u64::from((*block).max(1)));
            format!(", {what} from block {number} on, of {block} bytes, {blocks} up to the end")
        }
        Some(Data::Send(bytes)) => format!(", sends {} bytes {bytes:02x?}", bytes.len()),
        Some(Data::Receive(bytes)) => format!(", takes {bytes} bytes"),
    };
    response(&outcome.response) + &data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_in_words() {
        let data = Some(Data::Memory { write: false, start: 1024, block: 512, blocks: 6 });
        assert_eq!(
            outcome(&Outcome { response: Response::Short(0x900), data }),
            "answers 0x00000900, read from block 2 on, of 512 bytes, 6 up to the end"
        );
        assert_eq!(outcome(&Outcome { response: Response::None, data: None }), "no answer");
        assert_eq!((command(17), command(63)), ("READ_SINGLE_BLOCK", "no command of SD cards"));
    }
}
