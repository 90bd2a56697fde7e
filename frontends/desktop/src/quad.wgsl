// A picture on a rectangle of the window.

struct Place {
    // Left, top, right and bottom of the rectangle, from -1 to 1 with y upwards.
    edges: vec4<f32>,
    // Size of the picture, and how many of its pixels lie along one of the window's.
    size: vec2<f32>,
    step: vec2<f32>,
}

@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var between: sampler;
@group(0) @binding(2) var<uniform> place: Place;

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) at: vec2<f32>,
}

@vertex
fn corner(@builtin(vertex_index) index: u32) -> Corner {
    let part = vec2<f32>(f32(index & 1u), f32(index >> 1u));
    let position = mix(place.edges.xy, place.edges.zw, part);
    return Corner(vec4<f32>(position, 0.0, 1.0), part * place.size);
}

// One pixel of the picture covers whole pixels of the window.
@fragment
fn whole(corner: Corner) -> @location(0) vec4<f32> {
    return textureLoad(picture, vec2<i32>(corner.at), 0);
}

// Pixels of the picture are squares with sharp edges: a pixel of the window that lies across an edge mixes both sides.
@fragment
fn fitted(corner: Corner) -> @location(0) vec4<f32> {
    let edge = floor(corner.at + 0.5);
    let away = clamp((corner.at - edge) / place.step, vec2<f32>(-0.5), vec2<f32>(0.5));
    return textureSample(picture, between, (edge + away) / place.size);
}
