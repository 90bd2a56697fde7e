//! The window's surface: the guest's picture in a texture, scaled onto the window.

use crate::scale::{Scaling, Size};
use pixels::wgpu::SurfaceError;
use pixels::{Pixels, PixelsBuilder, ScalingMode, SurfaceTexture, TextureError, wgpu};
use std::sync::Arc;
use tayberry_engine::display::Frame;
use winit::window::Window;

/// The picture before the guest shows one.
const BLANK: Size = (640, 480);

/// The window's surface. It lives on the event loop's thread: [`Surface::present`] may wait for the screen.
#[derive(Debug)]
pub struct Surface {
    pixels: Pixels<'static>,
    guest: Size,
    window: Size,
    scaling: Scaling,
}

impl Surface {
    /// A black surface on `window`.
    ///
    /// # Errors
    /// If the host has no GPU (or software for one) that can draw on this window.
    pub fn new(window: &Arc<Window>, scaling: Scaling) -> Result<Self, pixels::Error> {
        let size = window.inner_size();
        let size = (size.width.max(1), size.height.max(1));
        // OpenGL only where nothing better is there: looking for it takes time and may print warnings.
        let pixels = match wgpu::Backends::from_env() {
            Some(backends) => build(window, size, backends)?,
            None => build(window, size, wgpu::Backends::PRIMARY).or_else(|_| build(window, size, wgpu::Backends::all()))?,
        };
        let mut surface = Self { pixels, guest: BLANK, window: size, scaling };
        surface.blacken();
        Ok(surface)
    }

    /// Takes a frame of the guest, to be shown by the next [`Surface::present`].
    ///
    /// # Errors
    /// If the host cannot have textures that large; the picture is black then.
    pub fn set_frame(&mut self, frame: &Frame) -> Result<(), TextureError> {
        self.set_guest_size((frame.width, frame.height))?;
        self.pixels.frame_mut().copy_from_slice(&frame.pixels);
        Ok(())
    }

    /// Shows black.
    pub fn blacken(&mut self) {
        for pixel in self.pixels.frame_mut().chunks_exact_mut(4) {
            pixel.copy_from_slice(&[0, 0, 0, 0xFF]);
        }
    }

    fn set_guest_size(&mut self, guest: Size) -> Result<(), TextureError> {
        if guest == self.guest {
            return Ok(());
        }
        // The new texture takes the scaling mode along; the buffer keeps old bytes, but a whole frame follows.
        self.pixels.set_scaling_mode(mode(self.scaling.possible(guest, self.window)));
        self.pixels.resize_buffer(guest.0, guest.1)?;
        self.guest = guest;
        Ok(())
    }

    /// Follows the window's size. A window of no size is ignored: there is nothing to draw on.
    ///
    /// # Errors
    /// If the host cannot have surfaces that large.
    pub fn set_window_size(&mut self, window: Size) -> Result<(), TextureError> {
        if window.0 == 0 || window.1 == 0 {
            return Ok(());
        }
        self.window = window;
        self.rescale()
    }

    /// Changes the scaling.
    ///
    /// # Errors
    /// As [`Surface::set_window_size`].
    pub fn set_scaling(&mut self, scaling: Scaling) -> Result<(), TextureError> {
        self.scaling = scaling;
        self.rescale()
    }

    /// The scaling asked for.
    pub fn scaling(&self) -> Scaling {
        self.scaling
    }

    fn rescale(&mut self) -> Result<(), TextureError> {
        self.pixels.set_scaling_mode(mode(self.scaling.possible(self.guest, self.window)));
        self.pixels.resize_surface(self.window.0, self.window.1)
    }

    /// Draws the picture onto the window, and says whether that worked. It does not while window and surface disagree in size: the event that tells of
    /// the new size comes soon. May wait for the screen.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn present(&self) -> Result<bool, pixels::Error> {
        match self.pixels.render() {
            Ok(()) => Ok(true),
            Err(pixels::Error::Surface(SurfaceError::Outdated | SurfaceError::Timeout | SurfaceError::Lost)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn build(window: &Arc<Window>, (width, height): Size, backends: wgpu::Backends) -> Result<Pixels<'static>, pixels::Error> {
    let texture = SurfaceTexture::new(width, height, Arc::clone(window));
    PixelsBuilder::new(BLANK.0, BLANK.1, texture).wgpu_backend(backends).blend_state(wgpu::BlendState::REPLACE).build()
}

fn mode(scaling: Scaling) -> ScalingMode {
    match scaling {
        Scaling::Integer => ScalingMode::PixelPerfect,
        Scaling::Fit => ScalingMode::Fill,
    }
}
