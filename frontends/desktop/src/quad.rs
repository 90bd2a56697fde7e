//! Pictures on rectangles of the window, drawn by the GPU.

use crate::scale::{Rect, Size};
use pixels::wgpu;
use std::ops::Range;

/// Bytes of a picture's pixel: RGBA8, sRGB, alpha not multiplied in.
const RGBA: u32 = 4;
/// The shader's `Place`.
const PLACE_BYTES: u64 = 32;

/// Draws quads of one kind: opaque or blended over what is there.
#[derive(Debug)]
pub struct Painter {
    /// For pictures at whole multiples of their size.
    whole: wgpu::RenderPipeline,
    /// For all others.
    fitted: wgpu::RenderPipeline,
    format: wgpu::TextureFormat,
    layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
}

/// A picture and where it goes.
#[derive(Debug)]
pub struct Quad {
    texture: wgpu::Texture,
    place: wgpu::Buffer,
    group: wgpu::BindGroup,
    size: Size,
    is_whole: bool,
}

impl Painter {
    /// A painter onto targets of `format`.
    pub fn new(device: &wgpu::Device, format: wgpu::TextureFormat, blend: wgpu::BlendState) -> Self {
        let module = device.create_shader_module(wgpu::include_wgsl!("quad.wgsl"));
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some("quad"), entries: &bindings() });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("quad"),
            bind_group_layouts: &[&layout],
            push_constant_ranges: &[],
        });
        let pipeline = |entry| {
            let target = wgpu::ColorTargetState { format, blend: Some(blend), write_mask: wgpu::ColorWrites::ALL };
            device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                label: Some("quad"),
                layout: Some(&pipeline_layout),
                vertex: wgpu::VertexState {
                    module: &module,
                    entry_point: Some("corner"),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    buffers: &[],
                },
                primitive: wgpu::PrimitiveState { topology: wgpu::PrimitiveTopology::TriangleStrip, ..Default::default() },
                depth_stencil: None,
                multisample: wgpu::MultisampleState::default(),
                fragment: Some(wgpu::FragmentState {
                    module: &module,
                    entry_point: Some(entry),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    targets: &[Some(target)],
                }),
                multiview: None,
                cache: None,
            })
        };
        let (whole, fitted) = (pipeline("whole"), pipeline("fitted"));
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("quad"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        // Bytes go through as they are, whether or not the GPU takes them for sRGB in between.
        let is_srgb = format.is_srgb();
        let format = if is_srgb { wgpu::TextureFormat::Rgba8UnormSrgb } else { wgpu::TextureFormat::Rgba8Unorm };
        Self { whole, fitted, format, layout, sampler }
    }

    /// A quad with a picture of `size`, which the device must be able to have; transparent, and nowhere yet.
    pub fn quad(&self, device: &wgpu::Device, size: Size) -> Quad {
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("quad"),
            size: extent(size),
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: self.format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let place = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("quad"),
            size: PLACE_BYTES,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("quad"),
            layout: &self.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(&self.sampler) },
                wgpu::BindGroupEntry { binding: 2, resource: place.as_entire_binding() },
            ],
        });
        Quad { texture, place, group, size, is_whole: false }
    }

    /// Draws `quads`.
    pub fn paint<'a>(&self, pass: &mut wgpu::RenderPass<'_>, quads: impl IntoIterator<Item = &'a Quad>) {
        for quad in quads {
            pass.set_pipeline(if quad.is_whole { &self.whole } else { &self.fitted });
            pass.set_bind_group(0, &quad.group, &[]);
            pass.draw(0..4, 0..1);
        }
    }
}

impl Quad {
    /// Size of its picture.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Puts `lines` of `pixels`, a whole picture, into the quad's. Pixels of another size are ignored.
    pub fn set_lines(&self, queue: &wgpu::Queue, pixels: &[u8], lines: Range<u32>) {
        let line_bytes = self.size.0 * RGBA;
        let lines = lines.start..lines.end.min(self.size.1);
        let bytes = |line: u32| line as usize * line_bytes as usize;
        let Some(data) = pixels.get(bytes(lines.start)..bytes(lines.end)).filter(|data| !data.is_empty()) else { return };
        let target = wgpu::TexelCopyTextureInfo {
            texture: &self.texture,
            mip_level: 0,
            origin: wgpu::Origin3d { x: 0, y: lines.start, z: 0 },
            aspect: wgpu::TextureAspect::All,
        };
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(line_bytes), rows_per_image: None };
        queue.write_texture(target, data, layout, extent((self.size.0, lines.len() as u32)));
    }

    /// Puts the quad somewhere on a window.
    pub fn set_place(&mut self, queue: &wgpu::Queue, rect: Rect, window: Size) {
        self.is_whole = rect.size.0.is_multiple_of(self.size.0) && rect.size.1.is_multiple_of(self.size.1);
        queue.write_buffer(&self.place, 0, &place(self.size, rect, window));
    }
}

fn bindings() -> [wgpu::BindGroupLayoutEntry; 3] {
    let entry = |binding, visibility, ty| wgpu::BindGroupLayoutEntry { binding, visibility, ty, count: None };
    let texture = wgpu::BindingType::Texture {
        sample_type: wgpu::TextureSampleType::Float { filterable: true },
        view_dimension: wgpu::TextureViewDimension::D2,
        multisampled: false,
    };
    let place = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: wgpu::BufferSize::new(PLACE_BYTES),
    };
    [
        entry(0, wgpu::ShaderStages::FRAGMENT, texture),
        entry(1, wgpu::ShaderStages::FRAGMENT, wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering)),
        entry(2, wgpu::ShaderStages::VERTEX_FRAGMENT, place),
    ]
}

fn extent((width, height): Size) -> wgpu::Extent3d {
    wgpu::Extent3d { width, height, depth_or_array_layers: 1 }
}

/// The shader's `Place`.
fn place(picture: Size, rect: Rect, window: Size) -> [u8; PLACE_BYTES as usize] {
    let (width, height) = (window.0.max(1) as f32, window.1.max(1) as f32);
    let (right, bottom) = (rect.x as f32 + rect.size.0 as f32, rect.y as f32 + rect.size.1 as f32);
    let values = [
        rect.x as f32 / width * 2.0 - 1.0,
        1.0 - rect.y as f32 / height * 2.0,
        right / width * 2.0 - 1.0,
        1.0 - bottom / height * 2.0,
        picture.0 as f32,
        picture.1 as f32,
        picture.0 as f32 / rect.size.0.max(1) as f32,
        picture.1 as f32 / rect.size.1.max(1) as f32,
    ];
    let mut bytes = [0; PLACE_BYTES as usize];
    for (bytes, value) in bytes.chunks_exact_mut(4).zip(values) {
        bytes.copy_from_slice(&value.to_ne_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_the_shader_s_terms() {
        let bytes = place((10, 20), Rect { x: 25, y: 0, size: (50, 50) }, (100, 50));
        let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect();
        assert_eq!(values, [-0.5, 1.0, 0.5, -1.0, 10.0, 20.0, 0.2, 0.4]);
        assert!(place((0, 0), Rect::default(), (0, 0)).as_chunks::<4>().0.iter().all(|bytes| f32::from_ne_bytes(*bytes).is_finite()));
    }
}
