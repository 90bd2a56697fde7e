//! The window's surface: the guest's picture and the overlay's panels, each in a texture of its own.
//!
//! pixels looks after the window's surface and the GPU; its own buffer stays empty. The picture goes from the renderer's frame to the texture without a
//! copy in between, and only the lines that changed.

use crate::overlay::Panel;
use crate::quad::{Painter, Quad};
use crate::scale::{Scaling, Size, place};
use pixels::wgpu::SurfaceError;
use pixels::{Pixels, PixelsBuilder, SurfaceTexture, TextureError, check_texture_size, wgpu};
use std::ops::Range;
use std::sync::Arc;
use tayberry_engine::display::Frame;
use winit::window::Window;

/// pixels' own buffer, which nobody sees.
const UNUSED: Size = (1, 1);

/// The window's surface. It lives on the event loop's thread: [`Surface::present`] may wait for the screen.
#[derive(Debug)]
pub struct Surface {
    pixels: Pixels<'static>,
    opaque: Painter,
    blended: Painter,
    /// The guest's picture; none where the host cannot have a texture of its size.
    picture: Option<Quad>,
    /// Size of the guest's picture.
    guest: Size,
    /// Lines of it that the texture has not.
    missing: Range<u32>,
    panels: Vec<Quad>,
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
            Some(backends) => build_cheapest(window, size, backends)?,
            None => {
                build_cheapest(window, size, wgpu::Backends::PRIMARY).or_else(|_| build_cheapest(window, size, wgpu::Backends::all()))?
            }
        };
        let painter = |blend| Painter::new(pixels.device(), pixels.render_texture_format(), blend);
        let (opaque, blended) = (painter(wgpu::BlendState::REPLACE), painter(wgpu::BlendState::ALPHA_BLENDING));
        Ok(Self { opaque, blended, pixels, picture: None, guest: (0, 0), missing: 0..0, panels: Vec::new(), window: size, scaling })
    }

    /// `frame` is what the next [`Surface::present`] will show. Called for every frame that is new, since each tells only what the one before had not.
    ///
    /// # Errors
    /// If the host cannot have textures that large; the window is black then. It is said once.
    pub fn expect(&mut self, frame: &Frame) -> Result<(), TextureError> {
        let size = (frame.width, frame.height);
        if size == self.guest {
            self.missing = match self.missing.is_empty() {
                true => frame.changed.clone(),
                false => self.missing.start.min(frame.changed.start)..self.missing.end.max(frame.changed.end),
            };
            return Ok(());
        }
        (self.guest, self.missing) = (size, 0..size.1);
        self.picture = None;
        check_texture_size(self.pixels.device(), size.0, size.1)?;
        self.picture = Some(self.opaque.quad(self.pixels.device(), size));
        self.place_picture();
        Ok(())
    }

    /// `frame` will be shown, and nothing is known of what changed in it.
    ///
    /// # Errors
    /// As [`Surface::expect`].
    pub fn expect_anew(&mut self, frame: &Frame) -> Result<(), TextureError> {
        let said = self.expect(frame);
        self.missing = 0..self.guest.1;
        said
    }

    /// Follows the window's size. A window of no size is ignored: there is nothing to draw on.
    ///
    /// # Errors
    /// If the host cannot have surfaces that large.
    pub fn set_window_size(&mut self, window: Size) -> Result<(), TextureError> {
        if window.0 == 0 || window.1 == 0 {
            return Ok(());
        }
        self.pixels.resize_surface(window.0, window.1)?;
        self.window = window;
        self.place_picture();
        Ok(())
    }

    /// Size of the window.
    pub fn window_size(&self) -> Size {
        self.window
    }

    /// Changes the scaling.
    pub fn set_scaling(&mut self, scaling: Scaling) {
        self.scaling = scaling;
        self.place_picture();
    }

    /// The scaling asked for.
    pub fn scaling(&self) -> Scaling {
        self.scaling
    }

    fn place_picture(&mut self) {
        if let Some(picture) = &mut self.picture {
            picture.set_place(self.pixels.queue(), place(self.guest, self.window, self.scaling), self.window);
        }
    }

    /// Shows these panels over the picture.
    pub fn set_panels<'a>(&mut self, panels: impl IntoIterator<Item = &'a Panel>) {
        let (device, queue) = (self.pixels.device(), self.pixels.queue());
        let mut old = std::mem::take(&mut self.panels).into_iter();
        for panel in panels {
            let size = panel.rect.size;
            if check_texture_size(device, size.0, size.1).is_err() {
                continue;
            }
            let mut quad = old.next().filter(|quad| quad.size() == size).unwrap_or_else(|| self.blended.quad(device, size));
            quad.set_lines(queue, panel.pixels(), 0..size.1);
            quad.set_place(queue, panel.rect, self.window);
            self.panels.push(quad);
        }
    }

    /// Draws the picture, which `frame` is, and the panels onto the window, and says whether that worked. It does not while window and surface
    /// disagree in size: the event that tells of the new size comes soon. May wait for the screen.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn present(&mut self, frame: &Frame) -> Result<bool, pixels::Error> {
        if let Some(picture) = self.picture.as_ref().filter(|_| (frame.width, frame.height) == self.guest) {
            picture.set_lines(self.pixels.queue(), &frame.pixels, std::mem::take(&mut self.missing));
        }
        let drawn = self.pixels.render_with(|encoder, target, _| {
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("window"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: target,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
                })],
                ..Default::default()
            });
            self.opaque.paint(&mut pass, &self.picture);
            self.blended.paint(&mut pass, &self.panels);
            Ok(())
        });
        match drawn {
            Ok(()) => Ok(true),
            Err(pixels::Error::Surface(SurfaceError::Outdated | SurfaceError::Timeout | SurfaceError::Lost)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A processor that stands in for a GPU takes most of its time to convert sRGB there and back, unless it is told that this is none.
fn build_cheapest(window: &Arc<Window>, size: Size, backends: wgpu::Backends) -> Result<Pixels<'static>, pixels::Error> {
    let pixels = build(window, size, backends, None)?;
    let formats = &pixels.context().surface_capabilities.formats;
    let plain = [wgpu::TextureFormat::Bgra8Unorm, wgpu::TextureFormat::Rgba8Unorm].into_iter().find(|format| formats.contains(format));
    if pixels.adapter().get_info().device_type != wgpu::DeviceType::Cpu || plain.is_none() {
        return Ok(pixels);
    }
    // A window has one surface at a time.
    drop(pixels);
    build(window, size, backends, plain)
}

fn build(
    window: &Arc<Window>,
    (width, height): Size,
    backends: wgpu::Backends,
    format: Option<wgpu::TextureFormat>,
) -> Result<Pixels<'static>, pixels::Error> {
    let texture = SurfaceTexture::new(width, height, Arc::clone(window));
    // The one mode that every host has: at the screen's pace, nothing torn.
    let builder = PixelsBuilder::new(UNUSED.0, UNUSED.1, texture).wgpu_backend(backends).present_mode(wgpu::PresentMode::Fifo);
    match format {
        Some(format) => builder.surface_texture_format(format).build(),
        None => builder.build(),
    }
}
