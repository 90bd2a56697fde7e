//! The painter: makes and writes what the terminal is to show, on a thread of its own. Nobody waits for it: there is one scene at most, and the next
//! is made when it is done.

use crate::canvas::{Canvas, Method, Scene};
use crate::scale::Pixels;
use crate::tty;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::io;
use std::time::Duration;

/// A scene that is done.
#[derive(Debug)]
pub struct Done {
    /// Writing failed: the terminal is gone.
    pub result: io::Result<()>,
    /// Memory for the next picture.
    pub spare: Option<Pixels>,
}

/// A painter at work.
#[derive(Debug)]
pub struct Painter {
    scenes: Sender<Scene>,
    /// One for each scene.
    pub done: Receiver<Done>,
}

impl Painter {
    /// Starts.
    ///
    /// # Panics
    /// If the host cannot start a thread.
    pub fn start(method: Method) -> Self {
        let (scenes, next) = bounded::<Scene>(1);
        let (sender, done) = bounded(1);
        let body = move || {
            let mut canvas = Canvas::new(method);
            let mut bytes = Vec::new();
            for mut scene in next {
                bytes.clear();
                let result = canvas.paint(&mut scene, &mut bytes).and_then(|()| tty::write(&bytes));
                if sender.send(Done { result, spare: scene.pixels }).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("tayberry-painter".into()).spawn(body).expect("the host can start a thread");
        Self { scenes, done }
    }

    /// Hands over a scene. The one before must be done.
    pub fn paint(&self, scene: Scene) {
        // It only ends with us.
        let _ = self.scenes.send(scene);
    }

    /// Waits until the scene that it works on is done, and throws away what the terminal does not take by then.
    pub fn settle(&self, patience: Duration) {
        if self.done.recv_timeout(patience).is_err() {
            tty::discard_output();
            let _ = self.done.recv_timeout(patience);
        }
    }
}
