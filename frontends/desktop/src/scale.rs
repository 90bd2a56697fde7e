//! How large the window is, and how the picture is put into it.

/// A size in pixels.
pub type Size = (u32, u32);

/// How the picture is put into the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scaling {
    /// At the largest whole multiple that fits.
    #[default]
    Integer,
    /// As large as fits, its shape kept.
    Fit,
}

impl Scaling {
    /// The other one.
    pub fn toggled(self) -> Self {
        match self {
            Self::Integer => Self::Fit,
            Self::Fit => Self::Integer,
        }
    }

    /// What can be done: a picture larger than the window is made to fit.
    pub fn possible(self, guest: Size, window: Size) -> Self {
        if guest.0 > window.0 || guest.1 > window.1 { Self::Fit } else { self }
    }
}

/// A rectangle in pixels of the window, which may reach over its edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width and height.
    pub size: Size,
}

/// Where in the window the guest's picture lies.
pub fn place(guest: Size, window: Size, scaling: Scaling) -> Rect {
    let guest = (guest.0.max(1), guest.1.max(1));
    let size = match scaling.possible(guest, window) {
        Scaling::Integer => {
            let scale = (window.0 / guest.0).min(window.1 / guest.1).max(1);
            (guest.0 * scale, guest.1 * scale)
        }
        Scaling::Fit => shrunk(guest, (window.0.max(1), window.1.max(1))),
    };
    let middle = |window: u32, picture: u32| ((i64::from(window) - i64::from(picture)) / 2) as i32;
    Rect { x: middle(window.0, size.0), y: middle(window.1, size.1), size }
}

/// The part of a monitor that a window may take, in percent: the rest is for its frame and the desktop's bars.
const OF_MONITOR: u64 = 90;
/// Smallest side of a window.
const SMALLEST: u32 = 64;

/// The window for a guest's picture: its largest whole multiple that fits on the monitor, or what fits of it.
pub fn window_size(guest: Size, monitor: Option<Size>) -> Size {
    let (width, height) = (guest.0.max(1), guest.1.max(1));
    let Some((most_width, most_height)) = monitor.map(|(width, height)| (share(width), share(height))) else {
        return (width.max(SMALLEST), height.max(SMALLEST));
    };
    let scale = (most_width / width).min(most_height / height);
    let (width, height) = if scale >= 1 { (width * scale, height * scale) } else { shrunk((width, height), (most_width, most_height)) };
    (width.max(SMALLEST), height.max(SMALLEST))
}

fn share(side: u32) -> u32 {
    ((u64::from(side) * OF_MONITOR / 100) as u32).max(1)
}

/// `size` made smaller or larger to fit into `most`, its shape kept.
fn shrunk(size: Size, most: Size) -> Size {
    let (width, height) = (u64::from(size.0), u64::from(size.1));
    let (most_width, most_height) = (u64::from(most.0), u64::from(most.1));
    if width * most_height >= height * most_width {
        (most.0, (height * most_width / width).max(1) as u32)
    } else {
        ((width * most_height / height).max(1) as u32, most.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: Option<Size> = Some((1920, 1080));

    #[test]
    fn windows_are_whole_multiples_that_fit() {
        assert_eq!(window_size((640, 480), HD), (1280, 960));
        assert_eq!(window_size((320, 200), HD), (1280, 800));
        assert_eq!(window_size((1280, 720), HD), (1280, 720));
        assert_eq!(window_size((8, 8), HD), (968, 968));
    }

    #[test]
    fn what_is_too_large_is_shrunk_in_its_shape() {
        assert_eq!(window_size((3840, 2160), HD), (1728, 972));
        assert_eq!(window_size((100, 10_000), HD), (64, 972));
        assert_eq!(window_size((u32::MAX, u32::MAX), HD), (972, 972));
    }

    #[test]
    fn odd_monitors_and_guests() {
        assert_eq!(window_size((640, 480), None), (640, 480));
        assert_eq!(window_size((1, 1), None), (64, 64));
        assert_eq!(window_size((640, 480), Some((0, 0))), (64, 64));
        assert_eq!(window_size((0, 0), HD), (972, 972));
        assert_eq!(window_size((0, 480), None), (64, 480));
    }

    #[test]
    fn pictures_lie_in_the_middle() {
        let rect = |x, y, width, height| Rect { x, y, size: (width, height) };
        assert_eq!(place((640, 480), (1281, 960), Scaling::Integer), rect(0, 0, 1280, 960));
        assert_eq!(place((640, 480), (1000, 1000), Scaling::Integer), rect(180, 260, 640, 480));
        assert_eq!(place((640, 480), (1000, 1000), Scaling::Fit), rect(0, 125, 1000, 750));
        assert_eq!(place((640, 480), (320, 480), Scaling::Integer), rect(0, 120, 320, 240), "there is no room for it");
        assert_eq!(place((0, 0), (0, 0), Scaling::Integer).size, (1, 1));
        for window in [(1, 1), (1, 5000), (16_384, 3)] {
            for scaling in [Scaling::Integer, Scaling::Fit] {
                let Rect { x, y, size } = place((16_384, 1), window, scaling);
                assert!(x >= 0 && y >= 0 && size.0 <= window.0 && size.1 <= window.1 && size.0 > 0 && size.1 > 0);
            }
        }
    }

    #[test]
    fn integer_scaling_needs_room() {
        assert_eq!(Scaling::Integer.possible((640, 480), (640, 480)), Scaling::Integer);
        assert_eq!(Scaling::Integer.possible((640, 480), (639, 480)), Scaling::Fit);
        assert_eq!(Scaling::Integer.possible((640, 480), (0, 0)), Scaling::Fit);
        assert_eq!(Scaling::Fit.possible((1, 1), (100, 100)), Scaling::Fit);
        assert_eq!(Scaling::Fit.toggled(), Scaling::Integer);
    }
}
