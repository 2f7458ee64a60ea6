use bevy::{
    asset::RenderAssetUsages,
    prelude::*,
    render::render_resource::{Extent3d, TextureDimension, TextureFormat},
};

/// A picture of `width` x `height` 8-bit RGBA pixels, drawn with antialiased edges. y points down.
#[derive(Debug, Clone, Default)]
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

impl Canvas {
    /// Sets the size and fills the whole picture.
    pub fn clear(&mut self, width: usize, height: usize, color: Srgba) {
        (self.width, self.height) = (width, height);
        self.pixels.clear();
        self.pixels.extend((0..width * height).flat_map(|_| color.to_u8_array()));
    }

    /// The picture as an asset.
    pub fn to_image(&self) -> Image {
        let size =
            Extent3d { width: self.width as u32, height: self.height as u32, depth_or_array_layers: 1 };
        let format = TextureFormat::Rgba8UnormSrgb;
        Image::new(size, TextureDimension::D2, self.pixels.clone(), format, RenderAssetUsages::default())
    }

    /// Blends `color` over a pixel, with its opacity scaled by `coverage` (0 to 1).
    fn blend(&mut self, x: usize, y: usize, color: Srgba, coverage: f32) {
        let start = (y * self.width + x) * 4;
        let share = (color.alpha * coverage).clamp(0.0, 1.0);
        for (channel, value) in
            self.pixels[start..start + 3].iter_mut().zip([color.red, color.green, color.blue])
        {
            *channel = (f32::from(*channel) * (1.0 - share) + value * 255.0 * share).round() as u8;
        }
    }

    /// Fills everything within `reach` pixels of the segment from `a` to `b`.
    fn capsule(&mut self, a: Vec2, b: Vec2, reach: f32, color: Srgba) {
        if !(a.is_finite() && b.is_finite()) {
            return;
        }
        let (low, high) = (a.min(b) - reach - 1.0, a.max(b) + reach + 1.0);
        let rows = low.y.max(0.0) as usize..(high.y.max(0.0).ceil() as usize).min(self.height);
        for y in rows {
            for x in low.x.max(0.0) as usize..(high.x.max(0.0).ceil() as usize).min(self.width) {
                let point = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
                let along = ((point - a).dot(b - a) / (b - a).length_squared().max(1e-6)).clamp(0.0, 1.0);
                let distance = point.distance(a + (b - a) * along);
                let coverage = (reach + 0.5 - distance).clamp(0.0, 1.0);
                if coverage > 0.0 {
                    self.blend(x, y, color, coverage);
                }
            }
        }
    }

    /// Draws a filled disc.
    pub fn disc(&mut self, center: Vec2, radius: f32, color: Srgba) {
        self.capsule(center, center, radius, color);
    }

    /// Draws a line through the points.
    pub fn line(&mut self, points: impl IntoIterator<Item = Vec2>, thickness: f32, color: Srgba) {
        let mut points = points.into_iter();
        let Some(mut last) = points.next() else { return };
        for point in points {
            // Skip points less than a pixel away from the last one drawn.
            if point.distance_squared(last) >= 1.0 {
                self.capsule(last, point, thickness / 2.0, color);
                last = point;
            }
        }
    }

    /// Draws a horizontal line over the whole width, `thickness` pixels thick. Dashes and gaps are `dash` pixels long;
    /// 0 draws a solid line.
    pub fn level(&mut self, y: f32, thickness: usize, dash: usize, color: Srgba) {
        let first = (y - thickness as f32 / 2.0).round();
        for row in 0..thickness {
            let y = first + row as f32;
            if y < 0.0 || y >= self.height as f32 {
                continue;
            }
            for x in (0..self.width).filter(|x| dash == 0 || (x / dash).is_multiple_of(2)) {
                self.blend(x, y as usize, color, 1.0);
            }
        }
    }

    /// Draws a vertical line over the whole height, `thickness` pixels thick.
    pub fn upright(&mut self, x: f32, thickness: usize, color: Srgba) {
        let first = (x - thickness as f32 / 2.0).round();
        for column in 0..thickness {
            let x = first + column as f32;
            if x < 0.0 || x >= self.width as f32 {
                continue;
            }
            (0..self.height).for_each(|y| self.blend(x as usize, y, color, 1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut canvas = Canvas::default();
        canvas.clear(8, 4, Srgba::BLACK);
        canvas.disc(Vec2::new(-3.0, 2.0), 1.0, Srgba::WHITE);
        canvas.line([Vec2::new(-9.0, 50.0), Vec2::new(90.0, 60.0)], 2.0, Srgba::WHITE);
        canvas.disc(Vec2::splat(f32::NAN), 1.0, Srgba::WHITE);
        assert!(canvas.pixels.chunks_exact(4).all(|pixel| pixel == [0, 0, 0, 255]));
        canvas.disc(Vec2::new(4.0, 2.0), 1.5, Srgba::WHITE);
        assert_eq!(canvas.pixels[(2 * 8 + 4) * 4], 255);
    }
}
