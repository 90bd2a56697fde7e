//! Where things are: the picture above, the serial port below, the status line at the bottom.

use ratatui_core::layout::Rect;

/// The serial pane below a picture: a share of the rows, within bounds.
const PANE_SHARE: u16 = 4;
const LEAST_PANE: u16 = 3;
const MOST_PANE: u16 = 12;

/// Width and height of a cell in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellSize {
    /// Pixels across.
    pub width: f32,
    /// Pixels down.
    pub height: f32,
}

impl CellSize {
    /// What is assumed of a terminal that does not tell: few have smaller cells, so pictures fit.
    pub const ASSUMED: Self = Self { width: 8.0, height: 16.0 };

    /// A size told by a terminal, if it can be true.
    pub fn told(width: u32, height: u32) -> Option<Self> {
        let range = 1..=256;
        (range.contains(&width) && range.contains(&height)).then_some(Self { width: width as f32, height: height as f32 })
    }
}

/// What the user wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panes {
    /// Picture, serial port, status line; all rows for the serial port while there is no picture.
    #[default]
    Both,
    /// The serial port and the status line.
    Serial,
    /// The picture and the status line.
    Picture,
    /// The picture and nothing else.
    Full,
}

/// Rows of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// For the picture.
    pub picture: Option<Rect>,
    /// For the serial port.
    pub serial: Option<Rect>,
    /// The status line.
    pub status: Option<Rect>,
}

impl Layout {
    /// Divides a screen. `has_serial`: there is something to show of a serial port; `has_picture`: the guest shows something.
    pub fn new((columns, rows): (u16, u16), panes: Panes, has_serial: bool, has_picture: bool) -> Self {
        let part = |y, height| (height > 0 && columns > 0).then_some(Rect { x: 0, y, width: columns, height });
        if panes == Panes::Full {
            return Self { picture: part(0, rows), serial: None, status: None };
        }
        let status = u16::from(rows > 1);
        let above = rows - status;
        let pane = match panes {
            _ if !has_serial => 0,
            Panes::Picture | Panes::Full => 0,
            Panes::Serial => above,
            Panes::Both if !has_picture => above,
            Panes::Both => (above / PANE_SHARE).clamp(LEAST_PANE, MOST_PANE).min(above / 2),
        };
        Self { picture: part(0, above - pane), serial: part(above - pane, pane), status: part(above, status) }
    }
}

/// The largest size with the shape of `picture` within `room`; at least one pixel.
pub fn fit(picture: (u32, u32), room: (f32, f32)) -> (f32, f32) {
    let (width, height) = (picture.0.max(1) as f32, picture.1.max(1) as f32);
    let scale = (room.0 / width).min(room.1 / height);
    ((width * scale).max(1.0), (height * scale).max(1.0))
}

/// Where a picture made of half blocks lies: its cells, and its size in columns and half rows.
pub fn half_blocks(picture: (u32, u32), area: Rect, cell: CellSize) -> (Rect, (u32, u32)) {
    let half = cell.height / 2.0;
    let room = (f32::from(area.width) * cell.width, f32::from(area.height) * cell.height);
    let (width, height) = fit(picture, room);
    let columns = ((width / cell.width).round() as u16).clamp(1, area.width.max(1));
    let lines = ((height / half).round() as u16).clamp(1, area.height.max(1).saturating_mul(2));
    (centred(area, columns, lines.div_ceil(2)), (u32::from(columns), u32::from(lines)))
}

/// Cells of that size in the middle of `area`.
pub fn centred(area: Rect, columns: u16, rows: u16) -> Rect {
    let (width, height) = (columns.min(area.width), rows.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_of_any_size_is_divided_without_overlap() {
        for columns in 0..5 {
            for rows in 0..60 {
                for panes in [Panes::Both, Panes::Serial, Panes::Picture, Panes::Full] {
                    for (has_serial, has_picture) in [(false, false), (false, true), (true, false), (true, true)] {
                        let layout = Layout::new((columns, rows), panes, has_serial, has_picture);
                        let parts = [layout.picture, layout.serial, layout.status];
                        let mut next = 0;
                        for part in parts.into_iter().flatten() {
                            assert_eq!((part.x, part.y, part.width), (0, next, columns));
                            next += part.height;
                        }
                        assert!(next == rows || columns == 0, "all rows of {rows} are used");
                    }
                }
            }
        }
    }

    #[test]
    fn the_serial_port_has_all_rows_until_there_is_a_picture() {
        let layout = |has_picture| Layout::new((80, 24), Panes::Both, true, has_picture);
        assert_eq!((layout(false).picture, layout(false).serial.map(|pane| pane.height)), (None, Some(23)));
        assert_eq!((layout(true).picture.map(|area| area.height), layout(true).serial.map(|pane| pane.height)), (Some(18), Some(5)));
    }

    #[test]
    fn pictures_keep_their_shape() {
        let area = Rect { x: 0, y: 0, width: 80, height: 24 };
        let cell = CellSize { width: 10.0, height: 20.0 };
        // 800x480 pixels of room.
        assert_eq!(half_blocks((800, 480), area, cell), (area, (80, 48)));
        let (cells, size) = half_blocks((480, 480), area, cell);
        assert_eq!((cells, size), (Rect { x: 16, y: 0, width: 48, height: 24 }, (48, 48)));
        let (cells, size) = half_blocks((800, 100), area, cell);
        assert_eq!((cells.width, cells.height, size), (80, 5, (80, 10)));
        for picture in [(1, 1), (4096, 1), (1, 4096), (0, 0)] {
            for area in [Rect::new(0, 0, 1, 1), Rect::new(3, 4, 200, 1), Rect::new(0, 0, 1, 100)] {
                let (cells, (columns, lines)) = half_blocks(picture, area, CellSize::ASSUMED);
                assert!(area.intersection(cells) == cells && columns == u32::from(cells.width), "{picture:?} in {area}: {cells}");
                assert!(lines.div_ceil(2) == u32::from(cells.height) && lines > 0);
            }
        }
    }

    #[test]
    fn cells_of_sizes_that_cannot_be_are_not_believed() {
        assert_eq!([(0, 16), (8, 0), (100_000, 16)].map(|(w, h)| CellSize::told(w, h)), [None; 3]);
        assert_eq!(CellSize::told(9, 19), Some(CellSize { width: 9.0, height: 19.0 }));
    }
}
