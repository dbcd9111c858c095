//! Who set a variable: whoever started the container, or the image.
//!
//! The OCI bundle holds both in one list. An image is often somebody else's work and
//! must not choose secrets for itself, so the hook looks at what the engine keeps:
//!
//! ```text
//! Docker   DATA/containers/ID/config.v2.json                image, labels; named by the bundle's mount of /etc/hosts
//!          DATA/image/DRIVER/imagedb/content/sha256/IMAGE   what the image sets
//! Podman   STORAGE/DRIVER-containers/containers.json        image; the bundle is STORAGE/DRIVER-containers/ID/userdata
//!          STORAGE/DRIVER-images/IMAGE/manifest, =BASE64    what the image sets
//! ```
//!
//! Docker's API would not do: it waits for the very start that the hook is part of.
//! Where these files are not, the origin of variables is unknown, and only
//! annotations count: containerd takes none from an image.

use super::spec::Spec;
use crate::json::Node;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

type Words = HashMap<String, String>;

/// Files that Docker makes for each container and mounts into it.
const DOCKERS: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
/// The annotation that Podman has on all of its containers.
const PODMANS: (&str, &str) = ("io.container.manager", "libpod");

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Whoever started the container.
    Starter,
    /// The image sets the same.
    Image,
    /// Nothing tells; the reason.
    Unknown(String),
}

/// What is known about the origin of a container's settings.
#[derive(Debug)]
pub(super) struct Provenance {
    /// What the image sets, or why that is not known.
    image: Result<Image, String>,
    /// Labels of the container, those of the image among them.
    labels: Words,
    /// Whether the engine takes annotations from images.
    annotates: bool,
    /// Whether images may say what they like.
    trusted: bool,
}

#[derive(Debug, Default)]
struct Image {
    environment: Vec<String>,
    labels: Words,
    annotations: Words,
}

impl Provenance {
    /// Looks where the engine of this bundle keeps it. If images are `trusted`, nothing counts as theirs.
    pub(super) fn find(spec: &Spec, bundle: &Path, id: &str, trusted: bool) -> Self {
        let is_podman = spec.annotation(PODMANS.0) == Some(PODMANS.1);
        let (image, labels) = if !is_file_name(id) {
            (Err(format!("`{id}` is not a container id")), Words::new())
        } else if let Some(data) = docker_data(spec.root()) {
            match docker(&data, id) {
                Ok((image, labels)) => (image, labels),
                Err(reason) => (Err(reason), Words::new()),
            }
        } else if let Some(containers) = podman_containers(bundle, id) {
            (podman(&containers, id), Words::new())
        } else {
            (Err("the engine keeps no record of the image that the hook can read".to_owned()), Words::new())
        };
        Self { image, labels, annotates: is_podman, trusted }
    }

    /// Of a variable of the container.
    pub(super) fn of_variable(&self, name: &str, value: &str) -> Origin {
        self.told(|image| {
            let is_same = |entry: &String| entry.split_once('=') == Some((name, value));
            image.environment.iter().any(is_same)
        })
    }

    /// A label of the container and where it comes from.
    pub(super) fn label(&self, name: &str) -> Option<(&str, Origin)> {
        let value = self.labels.get(name).filter(|value| !value.is_empty())?;
        Some((value, self.told(|image| image.labels.get(name) == Some(value))))
    }

    /// Of an annotation of the container.
    pub(super) fn of_annotation(&self, name: &str, value: &str) -> Origin {
        if !self.annotates {
            return Origin::Starter;
        }
        self.told(|image| image.annotations.get(name).is_some_and(|own| own == value))
    }

    fn told(&self, by_image: impl FnOnce(&Image) -> bool) -> Origin {
        if self.trusted {
            return Origin::Starter;
        }
        match &self.image {
            Ok(image) if by_image(image) => Origin::Image,
            Ok(_) => Origin::Starter,
            Err(reason) => Origin::Unknown(reason.clone()),
        }
    }
}

/// Docker's data root, out of the mounts that it makes itself. An image cannot make
/// one of these: what it declares as a volume has another source.
fn docker_data(root: &Node) -> Option<PathBuf> {
    let mounts = root.get("mounts").and_then(Node::array).unwrap_or_default();
    mounts.iter().find_map(|mount| {
        let text = |key| mount.get(key).and_then(Node::string);
        let (destination, source) = (Path::new(text("destination")?), Path::new(text("source")?));
        let is_dockers = DOCKERS.iter().any(|own| destination == Path::new(own));
        if !is_dockers || source.file_name() != destination.file_name() {
            return None;
        }
        // With `--network container:` it is the file of another container.
        let containers = source.parent()?.parent()?;
        (containers.file_name()? == "containers").then(|| containers.parent().map(Path::to_owned))?
    })
}

/// The image, and the labels of the container.
fn docker(data: &Path, id: &str) -> Result<(Result<Image, String>, Words), String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Container {
        #[serde(rename = "ID")]
        id: String,
        image: String,
        driver: String,
        config: Config,
    }
    let path = data.join("containers").join(id).join("config.v2.json");
    let container: Container = read(&path)?;
    if container.id != id {
        return Err(format!("`{}` is of another container", path.display()));
    }
    let labels = container.config.labels.unwrap_or_default();
    let image = match container.image.strip_prefix("sha256:") {
        Some(digest) if is_file_name(digest) && is_file_name(&container.driver) => {
            let database = data.join("image").join(&container.driver).join("imagedb/content/sha256");
            read::<ImageFile>(&database.join(digest)).map(Image::from)
        }
        _ => Err(format!("`{}` names no image that the hook can read", path.display())),
    };
    Ok((image, labels))
}

/// The directory of Podman's containers, if the bundle is in one.
fn podman_containers(bundle: &Path, id: &str) -> Option<PathBuf> {
    let container = bundle.parent().filter(|_| bundle.file_name().is_some_and(|name| name == "userdata"))?;
    let containers = container.parent().filter(|_| container.file_name().is_some_and(|name| name == id))?;
    containers.file_name()?.to_str()?.ends_with("-containers").then(|| containers.to_owned())
}

fn podman(containers: &Path, id: &str) -> Result<Image, String> {
    #[derive(Deserialize)]
    struct Container {
        id: String,
        image: String,
    }
    #[derive(Deserialize)]
    struct Manifest {
        annotations: Option<Words>,
    }
    let lists = ["containers.json", "volatile-containers.json"].map(|name| containers.join(name));
    let mut known = Vec::new();
    for list in lists.iter().filter(|list| list.exists()) {
        known.extend(read::<Vec<Container>>(list)?);
    }
    let container = known.into_iter().find(|container| container.id == id);
    let image = container.map(|container| container.image).filter(|image| is_file_name(image));
    let image = image.ok_or_else(|| format!("`{}` names no image for it", containers.display()))?;
    let driver = containers.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix("-containers"));
    let images = containers.with_file_name(format!("{}-images", driver.unwrap_or_default()));
    let image = (images.join(&image), format!("={}", STANDARD.encode(format!("sha256:{image}"))));
    let manifest: Manifest = read(&image.0.join("manifest"))?;
    let file: ImageFile = read(&image.0.join(image.1))?;
    Ok(Image { annotations: manifest.annotations.unwrap_or_default(), ..Image::from(file) })
}

/// An image's configuration.
///
/// Source: OCI Image Format Specification, "OCI Image Configuration".
#[derive(Deserialize)]
struct ImageFile {
    config: Option<Config>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    env: Option<Vec<String>>,
    labels: Option<Words>,
}

impl From<ImageFile> for Image {
    fn from(file: ImageFile) -> Self {
        let config = file.config.unwrap_or_default();
        Self {
            environment: config.env.unwrap_or_default(),
            labels: config.labels.unwrap_or_default(),
            annotations: Words::new(),
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = std::fs::read(path).map_err(|e| format!("cannot read `{}`: {e}", path.display()))?;
    serde_json::from_slice(&text).map_err(|e| format!("cannot understand `{}`: {e}", path.display()))
}

fn is_file_name(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn write(path: &Path, value: &serde_json::Value) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    }

    /// A container `c` of an image with `A=1` and the label `l`; the file of `/etc/hosts` is that of `net`.
    fn docker_bundle(data: &Path, id_in_file: &str) -> Spec {
        let config = json!({
            "ID": id_in_file, "Image": "sha256:ab", "Driver": "overlay2",
            "Config": {"Env": ["A=1", "B=2"], "Labels": {"l": "image's", "m": "mine"}},
        });
        write(&data.join("containers/c/config.v2.json"), &config);
        let image = json!({"config": {"Env": ["A=1"], "Labels": {"l": "image's", "m": "another"}}});
        write(&data.join("image/overlay2/imagedb/content/sha256/ab"), &image);
        let mounts = json!({"mounts": [
            {"destination": "/etc/hostname", "source": "/elsewhere/hostname"},
            {"destination": "/etc/hosts", "source": data.join("containers/net/hosts")},
        ]});
        Spec::bundle(mounts.to_string()).unwrap()
    }

    #[test]
    fn docker_knows_what_the_image_sets() {
        let data = tempfile::tempdir().unwrap();
        let spec = docker_bundle(data.path(), "c");
        let found = Provenance::find(&spec, Path::new("/run/b"), "c", false);
        assert_eq!(found.of_variable("A", "1"), Origin::Image);
        assert_eq!(
            (found.of_variable("A", "2"), found.of_variable("B", "2")),
            (Origin::Starter, Origin::Starter)
        );
        assert_eq!(found.label("l"), Some(("image's", Origin::Image)));
        assert_eq!((found.label("m"), found.label("n")), (Some(("mine", Origin::Starter)), None));
        let trusting = Provenance::find(&spec, Path::new("/run/b"), "c", true);
        assert_eq!(
            (trusting.of_variable("A", "1"), trusting.label("l")),
            (Origin::Starter, Some(("image's", Origin::Starter)))
        );
    }

    #[test]
    fn what_does_not_fit_together_is_unknown() {
        let data = tempfile::tempdir().unwrap();
        let spec = docker_bundle(data.path(), "another");
        for id in ["c", "../c", "gone", ""] {
            let found = Provenance::find(&spec, Path::new("/run/b"), id, false);
            assert!(matches!(found.of_variable("B", "2"), Origin::Unknown(_)), "{id}");
            assert_eq!(found.of_annotation("x", "y"), Origin::Starter);
        }
        let (spec, image) = (docker_bundle(data.path(), "c"), "image/overlay2/imagedb/content/sha256/ab");
        for content in ["{", "[]", "{\"config\": {\"Env\": 5}}"] {
            fs::write(data.path().join(image), content).unwrap();
            let found = Provenance::find(&spec, Path::new("/run/b"), "c", false);
            assert!(matches!(found.of_variable("B", "2"), Origin::Unknown(_)), "{content}");
        }
    }

    #[test]
    fn podman_takes_annotations_from_images_too() {
        let storage = tempfile::tempdir().unwrap();
        let at = |path: &str| storage.path().join(path);
        write(&at("overlay-containers/containers.json"), &json!([{"id": "c", "image": "ab"}]));
        write(&at("overlay-images/ab/manifest"), &json!({"annotations": {"x": "image's"}}));
        write(
            &at("overlay-images/ab").join(format!("={}", STANDARD.encode("sha256:ab"))),
            &json!({"config": {"Env": ["A=1"]}}),
        );
        let spec = Spec::bundle(json!({"annotations": {PODMANS.0: PODMANS.1}}).to_string()).unwrap();
        let found = Provenance::find(&spec, &at("overlay-containers/c/userdata"), "c", false);
        assert_eq!(
            (found.of_variable("A", "1"), found.of_variable("B", "2")),
            (Origin::Image, Origin::Starter)
        );
        assert_eq!(found.of_annotation("x", "image's"), Origin::Image);
        assert_eq!(found.of_annotation("x", "mine"), Origin::Starter);
        let lost = Provenance::find(&spec, Path::new("/elsewhere"), "c", false);
        assert!(matches!(lost.of_annotation("x", "mine"), Origin::Unknown(_)));
    }
}
