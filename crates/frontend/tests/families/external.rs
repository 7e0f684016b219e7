//! Constants in files beside the model: which bytes of which files are read, and which are not.

use prost::Message;
use proveil_frontend::{FrontendError, Options, Tensor, compile};
use tract_onnx::pb;

use super::common::infer;
use super::file::{FLOAT, File};

const CELLS: [f32; 4] = [0.5, -1.0, 2.0, 4.0];

/// A directory of its own, removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("proveil-external-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("model")).expect("is writable");
        Self(path)
    }

    fn write(&self, place: &str, head: usize) {
        let mut bytes = vec![0xff; head];
        CELLS.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        std::fs::write(self.0.join(place), bytes).expect("is writable");
    }

    /// What comes of `x + w` with `w` read from a file as these entries say.
    fn sum(&self, entries: &[(&str, &str)]) -> Result<Vec<f64>, FrontendError> {
        let file = File::new("", 17, &["y"]).input("x", FLOAT, &[4]).weight("w", FLOAT, &[4], &[0.0; 4]);
        let bytes = file.node("Add", &["x", "w"], &["y"], &[]).bytes();
        let mut model = pb::ModelProto::decode(&bytes[..]).expect("was encoded");
        let w = &mut model.graph.as_mut().expect("has a graph").initializer[0];
        w.float_data.clear();
        w.data_location = Some(1);
        let entry =
            |(key, value): &(&str, &str)| pb::StringStringEntryProto { key: (*key).into(), value: (*value).into() };
        w.external_data = entries.iter().map(entry).collect();
        let mut options = Options::default();
        options.external_data = Some(self.0.join("model"));
        let x = Tensor::floats(vec![4], vec![1.0; 4]).expect("dense");
        let model = compile(&model.encode_to_vec(), &[vec![x.clone()]], &options)?;
        Ok(infer(&model, &[x]).remove(0))
    }

    fn refusal(&self, entries: &[(&str, &str)]) -> String {
        self.sum(entries).expect_err("is refused").to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn accepts_a_part_of_a_file_beside_the_model() {
    let folder = Folder::new("part");
    folder.write("model/w.bin", 7);
    let got = folder.sum(&[("location", "w.bin"), ("offset", "7"), ("length", "16")]).expect("is read");
    let want: Vec<f64> = CELLS.iter().map(|v| 1.0 + f64::from(*v)).collect();
    assert!(got.iter().zip(&want).all(|(g, w)| (g - w).abs() < 0.01), "{got:?}");
    assert!(folder.sum(&[("location", "w.bin"), ("offset", "7")]).is_ok());
}

#[test]
fn rejects_files_elsewhere_and_parts_that_are_not_there() {
    let folder = Folder::new("elsewhere");
    folder.write("model/w.bin", 0);
    folder.write("model/long.bin", 1 << 12);
    folder.write("secret.bin", 0);
    for place in ["../secret.bin", "/etc/passwd", "", ".", "../model/w.bin"] {
        assert!(folder.refusal(&[("location", place)]).contains("outside the model's directory"), "{place}");
    }
    assert!(folder.refusal(&[("location", "none.bin")]).contains("put the file beside the model"));
    for (offset, length) in [("1", "16"), ("0", "17"), ("9", "18446744073709551615"), ("99", "0")] {
        let message = folder.refusal(&[("location", "w.bin"), ("offset", offset), ("length", length)]);
        assert!(message.contains("ends before byte"), "{offset} {length}: {message}");
    }
    assert!(folder.refusal(&[("location", "w.bin"), ("offset", "-1")]).contains("no number"));
    assert!(folder.refusal(&[("location", "long.bin")]).contains("bytes for 4 elements"));
    std::fs::create_dir_all(folder.0.join("model/w")).expect("is writable");
    assert!(folder.refusal(&[("location", "w")]).contains("no regular file"));
}

/// A link is followed within the directory only, and what is no file is not opened.
#[test]
fn rejects_links_to_other_directories() {
    #[cfg(unix)]
    {
        let folder = Folder::new("links");
        folder.write("model/w.bin", 0);
        folder.write("secret.bin", 0);
        for (to, name) in [("w.bin", "inside"), ("../secret.bin", "outside"), ("/dev/zero", "device")] {
            std::os::unix::fs::symlink(to, folder.0.join("model").join(name)).expect("is writable");
        }
        assert!(folder.sum(&[("location", "inside")]).is_ok());
        for name in ["outside", "device"] {
            assert!(folder.refusal(&[("location", name)]).contains("link to another directory"), "{name}");
        }
    }
}
