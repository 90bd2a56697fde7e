//! The mouse while it is the guest's: what the window system tells of it becomes steps of a USB mouse.

use tayberry_engine::hid::HidEvent;
use winit::event::{ElementState, MouseButton, MouseScrollDelta};

/// Pixels of a touchpad's scrolling for a notch of the wheel.
const NOTCH_PIXELS: f64 = 40.0;

/// Buttons, and parts of steps.
#[derive(Debug, Default)]
pub struct Mouse {
    buttons: u8,
    /// X, Y and wheel: what is left of whole steps.
    rest: [f64; 3],
}

impl Mouse {
    fn event(&mut self, by: [f64; 3]) -> HidEvent {
        let mut steps = [0.0; 3];
        for ((rest, by), step) in self.rest.iter_mut().zip(by).zip(&mut steps) {
            *rest += by;
            *step = rest.trunc();
            *rest -= *step;
        }
        // Conversions of floating point numbers to integers saturate.
        HidEvent::Mouse { buttons: self.buttons, dx: steps[0] as i16, dy: steps[1] as i16, wheel: steps[2] as i8 }
    }

    /// It moved.
    pub fn moved(&mut self, (dx, dy): (f64, f64)) -> HidEvent {
        self.event([dx, dy, 0.0])
    }

    /// Its wheel was turned.
    pub fn scrolled(&mut self, delta: MouseScrollDelta) -> HidEvent {
        let notches = match delta {
            MouseScrollDelta::LineDelta(_, lines) => f64::from(lines),
            MouseScrollDelta::PixelDelta(pixels) => pixels.y / NOTCH_PIXELS,
        };
        self.event([0.0, 0.0, notches])
    }

    /// A button went down or up; `None` for those that the guest's mouse has not.
    pub fn button(&mut self, button: MouseButton, state: ElementState) -> Option<HidEvent> {
        let bit = match button {
            MouseButton::Left => 1,
            MouseButton::Right => 2,
            MouseButton::Middle => 4,
            _ => return None,
        };
        self.buttons = self.buttons & !bit | if state == ElementState::Pressed { bit } else { 0 };
        Some(self.event([0.0; 3]))
    }

    /// The guest has it no more: all buttons go up.
    pub fn leave(&mut self) -> HidEvent {
        *self = Self::default();
        self.event([0.0; 3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_steps_add_up_and_buttons_are_held() {
        let mut mouse = Mouse::default();
        let step = |buttons, dx, dy, wheel| HidEvent::Mouse { buttons, dx, dy, wheel };
        assert_eq!(mouse.moved((1.5, -0.5)), step(0, 1, 0, 0));
        assert_eq!(mouse.moved((0.5, -0.5)), step(0, 1, -1, 0));
        assert_eq!(mouse.button(MouseButton::Middle, ElementState::Pressed), Some(step(4, 0, 0, 0)));
        assert_eq!(mouse.scrolled(MouseScrollDelta::LineDelta(0.0, -2.0)), step(4, 0, 0, -2));
        assert_eq!(mouse.moved((1e9, 0.0)), step(4, i16::MAX, 0, 0));
        assert_eq!(mouse.button(MouseButton::Back, ElementState::Pressed), None);
        assert_eq!(mouse.leave(), step(0, 0, 0, 0));
    }
}
