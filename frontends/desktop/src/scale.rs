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

/// `size` made smaller to fit into `most`, its shape kept.
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
    fn integer_scaling_needs_room() {
        assert_eq!(Scaling::Integer.possible((640, 480), (640, 480)), Scaling::Integer);
        assert_eq!(Scaling::Integer.possible((640, 480), (639, 480)), Scaling::Fit);
        assert_eq!(Scaling::Integer.possible((640, 480), (0, 0)), Scaling::Fit);
        assert_eq!(Scaling::Fit.possible((1, 1), (100, 100)), Scaling::Fit);
        assert_eq!(Scaling::Fit.toggled(), Scaling::Integer);
    }
}
