//! Measures what a frontend draws and shows.

use crate::display::{Display, Frame, Outcome, Renderer};
use crate::stats::Stats;
use std::time::Instant;

/// Looks in a row before a frame is given up. A frame is stale because something newer was published: a look at that need not wait for the next beat.
/// Without the second look a guest that flips at the frontend's own pace could hit every frame of it.
const LOOKS: usize = 3;

/// Renders, and counts frames and times in the machine's statistics. A frontend whose frames a user (or a log) gets to see has one, beside its
/// renderer: it calls [`Meter::render`] to draw, and [`Meter::presented`] when a frame has come to the screen.
#[derive(Debug, Default)]
pub struct Meter {
    /// Generation of the frame that was presented last.
    generation: u64,
}

impl Meter {
    /// A meter that has seen nothing presented.
    pub fn new() -> Self {
        Self::default()
    }

    /// [`Renderer::render`], counted and timed, and again at once where the frame was stale; [`Outcome::count`] is not to be called beside it.
    pub fn render(&mut self, renderer: &mut Renderer, display: &Display, stats: &Stats) -> Outcome {
        let mut outcome = Outcome::Stale;
        for _ in 0..LOOKS {
            outcome = Self::look(renderer, display, stats);
            if outcome != Outcome::Stale {
                break;
            }
        }
        outcome
    }

    fn look(renderer: &mut Renderer, display: &Display, stats: &Stats) -> Outcome {
        let before = Instant::now();
        let outcome = renderer.render(display);
        let took = before.elapsed();
        outcome.count(stats);
        match outcome {
            Outcome::Presented | Outcome::Stale => stats.render.record_time(took),
            Outcome::Unchanged | Outcome::NoSignal => stats.render_unchanged.record_time(took),
        }
        outcome
    }

    /// `frame` is on the screen now. The first frame of a generation tells how long the guest's flip took to get there; later ones, with other
    /// content, came from no flip. May be called for one frame again.
    pub fn presented(&mut self, frame: &Frame, stats: &Stats) {
        if frame.generation != self.generation
            && let Some(published) = frame.published_at
        {
            stats.flip_to_present.record_time(published.elapsed());
        }
        self.generation = frame.generation;
    }
}

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;
    use crate::display::{Alpha, Depth, Overscan, PixelOrder, Scanout, ScanoutConfig};
    use std::sync::Arc;
    use std::time::Duration;
    use tayberry_ram::GuestRam;

    fn scanout(ram: &Arc<GuestRam>, offset: u32) -> Scanout {
        let config = ScanoutConfig {
            base: 0,
            pitch: 32,
            physical: (8, 8),
            virtual_size: (8, 16),
            offset: (0, offset),
            depth: Depth::Rgb32,
            order: PixelOrder::Rgb,
            alpha: Alpha::Ignored,
            palette: Arc::new([0; 256]),
            blank: false,
            overscan: Overscan::default(),
        };
        Scanout::new(config, Arc::clone(ram), None).expect("it can be shown")
    }

    #[test]
    fn flips_have_a_latency_and_other_changes_have_none() {
        let ram = Arc::new(GuestRam::new(4096).expect("room"));
        let (display, stats) = (Display::new(), Stats::default());
        let (mut renderer, mut meter) = (Renderer::new(1), Meter::new());
        let mut look = |expected| {
            assert_eq!(meter.render(&mut renderer, &display, &stats), expected);
            meter.presented(renderer.frame(), &stats);
        };
        look(Outcome::NoSignal);
        display.publish(scanout(&ram, 0));
        std::thread::sleep(Duration::from_millis(5));
        look(Outcome::Presented);
        assert_eq!(stats.flip_to_present.summary().count, 1);
        assert!(stats.flip_to_present.summary().max >= 5_000_000);
        look(Outcome::Unchanged);
        ram.write_u32(0, 0xFF_FFFF).expect("it is in RAM");
        look(Outcome::Presented);
        assert_eq!(stats.flip_to_present.summary().count, 1, "no flip");
        // Both halves of the buffer look the same: it is a flip all the same.
        display.publish(scanout(&ram, 8));
        look(Outcome::Presented);
        display.publish(scanout(&ram, 8));
        look(Outcome::Presented);
        assert_eq!(stats.flip_to_present.summary().count, 3);
        assert_eq!((stats.frames_presented.get(), stats.frames_unchanged.get()), (4, 1));
        assert_eq!((stats.render.summary().count, stats.render_unchanged.summary().count), (4, 2));
    }

    #[test]
    fn a_frame_is_as_old_as_its_generation_however_little_of_it_changed() {
        let ram = Arc::new(GuestRam::new(4096).expect("room"));
        let (display, mut renderer) = (Display::new(), Renderer::new(1));
        for flip in 1..12 {
            // A line of either page, which lie behind each other.
            let page = flip % 2;
            ram.write_u32(u64::from(page * 256 + flip / 2 % 8 * 32), flip).expect("it is in RAM");
            display.publish(scanout(&ram, page * 8));
            assert_eq!(renderer.render(&display), Outcome::Presented);
            assert_eq!(renderer.frame().published_at, Some(display.load().published_at()), "flip {flip}");
        }
    }
}
