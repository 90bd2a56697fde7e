//! Reads a text console off a picture without knowing its font: the same character always looks the same, others look different.

use std::collections::HashMap;

/// Pixels of a character.
const CELL: (usize, usize) = (8, 16);

/// A picture as rows of cells, each a bitmap of lit pixels.
pub struct Screen {
    rows: Vec<Vec<u128>>,
}

impl Screen {
    /// From RGB bytes.
    pub fn new(width: usize, rgb: &[u8]) -> Self {
        let height = rgb.len() / 3 / width;
        let lit = |x: usize, y: usize| rgb[(y * width + x) * 3..][..3].iter().any(|&component| component > 0x60);
        let cell = |column: usize, row: usize| {
            let pixels = (0..CELL.1).flat_map(|y| (0..CELL.0).map(move |x| (x, y)));
            pixels.fold(0, |bits, (x, y)| bits << 1 | u128::from(lit(column * CELL.0 + x, row * CELL.1 + y)))
        };
        Self { rows: (0..height / CELL.1).map(|row| (0..width / CELL.0).map(|column| cell(column, row)).collect()).collect() }
    }

    pub fn columns(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// Rows with anything in them.
    pub fn rows_with_text(&self) -> usize {
        self.rows.iter().filter(|row| row.iter().any(|&cell| cell != 0)).count()
    }

    /// The longest run of rows in which `lines` can be read, some of them, in order and with none left out: how many rows.
    pub fn longest_match(&self, lines: &[String]) -> usize {
        let lines: Vec<Vec<char>> = lines.iter().flat_map(|line| wrap(line, self.columns())).collect();
        let starts = (0..self.rows.len()).flat_map(|row| (0..lines.len()).map(move |line| (row, line)));
        starts.map(|(row, line)| self.rows_that_match(row, &lines[line..])).max().unwrap_or(0)
    }

    /// How many rows from `first` on read as `lines`.
    fn rows_that_match(&self, first: usize, lines: &[Vec<char>]) -> usize {
        let (mut looks, mut reads) = (HashMap::from([(' ', 0)]), HashMap::from([(0, ' ')]));
        let matches = |(row, line): &(&Vec<u128>, &Vec<char>)| {
            let padded = line.iter().copied().chain(std::iter::repeat(' '));
            row.iter()
                .zip(padded)
                .all(|(&cell, letter)| *looks.entry(letter).or_insert(cell) == cell && *reads.entry(cell).or_insert(letter) == letter)
        };
        self.rows[first..].iter().zip(lines).take_while(matches).count()
    }
}

/// A line as the console breaks it.
fn wrap(line: &str, columns: usize) -> Vec<Vec<char>> {
    let letters: Vec<char> = line.chars().collect();
    letters.chunks(columns.max(1)).map(<[char]>::to_vec).collect()
}

#[test]
fn a_console_is_read_by_its_likenesses() {
    // Three cells: A B A.
    let mut rgb = vec![0; 24 * 16 * 3];
    for (x, y) in [(0, 0), (9, 1), (16, 0)] {
        rgb[(y * 24 + x) * 3] = 0xff;
    }
    let screen = Screen::new(24, &rgb);
    let reads = |line: &str| screen.longest_match(&[line.to_owned()]);
    assert_eq!((reads("aba"), reads("xyx"), reads("abc"), reads("aaa"), reads("ab")), (1, 1, 0, 0, 0));
}
