"""`difusionseg evaluate-bag` on generated recordings, complete, unusual and damaged."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from difusionseg_core.classes import MSRS
from difusionseg_core.cli.main import main
from difusionseg_core.evaluation.recordings import batch
from difusionseg_core.evaluation.recordings.recording_scores import FUSION_METRICS
from difusionseg_core.imaging.blur import blur_classes
from difusionseg_core.imaging.codec.camera_images import compress
from difusionseg_core.metrics.fusion import fusion_metrics
from difusionseg_core.recordings.object_messages import object_types
from difusionseg_core.recordings.rosbag2 import STORAGES, Recording, RecordingWriter
from difusionseg_core.scenes import sequence
from difusionseg_core.scenes.output import SceneSeries, write_recording

SECOND, MS = 1_000_000_000, 1_000_000
SIZE = 48, 64
BEGIN = 100 * SECOND


def rgb_picture(number):
    return np.random.default_rng(number).integers(0, 256, (*SIZE, 3), np.uint8)


def thermal_picture(number, dtype=np.uint8):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return ((x + 2 * y + 5 * number) * (40 if dtype == np.uint16 else 1)).astype(dtype)


class Drive:
    """Writes a recording; messages are recorded in the order of adding."""

    def __init__(self, path, storage="mcap"):
        self.path, self.storage = path, storage
        self.images = []

    def add(self, topic, stamp_ns, image, encoding):
        self.images.append((topic, stamp_ns, image, encoding))

    def pairs(self, stamps_ns, thermal_later_ns=0, dtype=np.uint8):
        for number, stamp_ns in enumerate(stamps_ns):
            self.add("/rgb/image", stamp_ns, rgb_picture(number), "rgb8")
            encoding = "mono8" if dtype == np.uint8 else "mono16"
            image = thermal_picture(number, dtype)
            self.add("/thermal/image", stamp_ns + thermal_later_ns, image, encoding)
        return self

    def write(self):
        with RecordingWriter(self.path, self.storage) as writer:
            for index, (topic, stamp_ns, image, encoding) in enumerate(self.images):
                # The time of recording rises also if the stamps do not.
                recorded_ns = BEGIN + index * MS
                writer.write_image(topic, stamp_ns, "front", image, encoding, recorded_ns)
        return self.path


def times(count, rate=10.0, begin=BEGIN):
    return [begin + round(number * SECOND / rate) for number in range(count)]


@pytest.fixture
def evaluate(tmp_path, untrained_weights):
    """`evaluate(recordings..., options...)` gives exit status and the output folder."""
    runs = iter(range(100))

    def evaluate(*arguments):
        output = tmp_path / f"results_{next(runs)}"
        given = ["evaluate-bag", *map(str, arguments), "--output", str(output)]
        model = ["--model", str(untrained_weights), "--backend", "torch", "--steps", "1"]
        return main([*given, *model]), output

    return evaluate


def metrics(output):
    return json.loads((output / "metrics.json").read_text())


def rows(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.mark.parametrize("storage", STORAGES)
def test_figures_of_a_recording_with_known_timing(tmp_path, evaluate, storage):
    drive = Drive(tmp_path / "drive", storage)
    events = [("/rgb/image", stamp) for stamp in times(31, 30.0) if stamp != times(31, 30.0)[10]]
    events += [("/thermal/image", stamp + 12 * MS) for stamp in times(11, 10.0)]
    for topic, stamp in sorted(events, key=lambda event: event[1]):
        if topic == "/rgb/image":
            drive.add(topic, stamp, rgb_picture(1), "rgb8")
        else:
            drive.add(topic, stamp, thermal_picture(1), "mono8")
    status, output = evaluate(drive.write())
    found = metrics(output)
    assert status == 0
    assert found["pairs"] == {"paired": 11, "evaluated": 11}
    assert found["dropped"]["rgb_without_partner"] == 30 - 11
    assert found["dropped"]["thermal_without_partner"] == 0
    assert found["offset_ms"]["median"] == pytest.approx(12.0)
    assert found["offset_ms"]["max"] == pytest.approx(12.0)
    rgb, thermal = found["cameras"]["rgb"], found["cameras"]["thermal"]
    assert rgb["messages"] == 30 and rgb["rate_hz"] == pytest.approx(29.0)
    assert rgb["interval_ms"]["median"] == pytest.approx(100 / 3)
    assert rgb["interval_ms"]["max"] == pytest.approx(200 / 3)
    assert rgb["jitter_ms"] == pytest.approx(0.0, abs=1e-3)
    assert rgb["gaps"]["count"] == 1
    assert rgb["gaps"]["longest"][0]["after_stamp"] == pytest.approx(100.3)
    assert thermal["rate_hz"] == pytest.approx(10.0) and thermal["gaps"]["count"] == 0
    assert "segmentation" not in found and "truth" not in found["cameras"]

    line = rows(output / "timeline.csv")
    assert [float(row["offset_ms"]) for row in line] == [12.0] * 11
    assert [row["stamp"] for row in line][:2] == ["100.000000000", "100.100000000"]
    shares = [[float(v) for k, v in row.items() if k.startswith("share_")] for row in line]
    assert np.allclose(np.sum(shares, axis=1), 1.0)
    means = [value["mean"] for value in found["class_shares"].values()]
    assert np.allclose(np.mean(shares, axis=0), means)
    for name in FUSION_METRICS:
        assert np.mean([float(row[name]) for row in line]) == pytest.approx(found["fusion"][name])
    page = (output / "report.html").read_text()
    assert "Recording drive" in page and page.count("data:image/png;base64,") == 2
    assert 'src="http' not in page and "<script" not in page
    assert "Best frames" in (output / "report.md").read_text()
    (second,) = rows(output / "rates.csv")
    assert second == {"second": "0", "rgb": "30", "thermal": "11", "pairs": "11"}
    assert len(rows(output / "latency.csv")) == 11


def test_the_names_of_the_fusion_metrics():
    picture = rgb_picture(0)
    assert tuple(fusion_metrics(picture, thermal_picture(0), picture)) == FUSION_METRICS


def test_results_are_reproducible(tmp_path, evaluate):
    path = Drive(tmp_path / "drive").pairs(times(6), 3 * MS, np.uint16).write()
    (_, first), (_, second) = evaluate(path), evaluate(path)
    for name in ("timeline.csv", "rates.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    reports = [metrics(output) for output in (first, second)]
    for report in reports:
        assert report.pop("run")["latency_ms"]["total"]["median"] > 0
    assert json.dumps(reports[0]) == json.dumps(reports[1])


def test_own_topics_compressed_16_bits_and_every_second_fused_image(tmp_path, evaluate):
    with RecordingWriter(tmp_path / "drive") as writer:
        for number, stamp in enumerate(times(4)):
            for topic, image in (
                ("/front/color/compressed", rgb_picture(number)),
                ("/lepton/raw16", thermal_picture(number, np.uint16)),
            ):
                data, kind = compress(image, "png")
                writer.write_compressed(topic, stamp, "front", data, kind)
    topics = ("--rgb-topic", "/front/color/compressed", "--thermal-topic", "lepton/raw16")
    status, output = evaluate(tmp_path / "drive", *topics, "--fusion-every", 2)
    assert status == 0
    assert metrics(output)["fusion"]["frames"] == 2
    scored = [row["EN"] != "" for row in rows(output / "timeline.csv")]
    assert scored == [True, False, True, False]


@pytest.mark.parametrize(
    ("storage", "mode"),
    [
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    ],
)
def test_recordings_compressed_with_zstd(tmp_path, evaluate, storage, mode):
    plain = Drive(tmp_path / "plain").pairs(times(4)).write()
    packed = Writer(tmp_path / "packed", version=8, storage_plugin=storage)
    packed.set_compression(mode, CompressionFormat.ZSTD)
    with packed as writer, Recording(plain) as recording:
        connections = {
            item.topic: writer.add_connection(
                item.topic, item.msgtype, msgdef=item.msgdef.data, rihs01=item.digest
            )
            for item in recording.connections
        }
        for message in recording.messages(recording.topics):
            writer.write(connections[message.topic], message.recorded_ns, message.data)
    (_, one), (status, other) = evaluate(plain), evaluate(tmp_path / "packed")
    assert status == 0
    assert (one / "timeline.csv").read_bytes() == (other / "timeline.csv").read_bytes()


def test_stamps_that_jump_back_as_in_a_loop(tmp_path, evaluate):
    drive = Drive(tmp_path / "drive").pairs(times(4)).pairs(times(4))
    for stamp in times(8):
        drive.add("/ground_truth/mask", stamp, np.zeros(SIZE, np.uint8), "mono8")
    status, output = evaluate(drive.write())
    found = metrics(output)
    assert status == 0
    assert found["pairs"]["evaluated"] == 8 and found["jumps"] == 1
    assert found["cameras"]["rgb"]["jumps"] == found["cameras"]["thermal"]["jumps"] == 1


def test_truth_is_that_of_the_nearest_stamp(tmp_path, evaluate):
    plain = Drive(tmp_path / "plain").pairs(times(3)).write()
    assert evaluate(plain, "--record", tmp_path / "seen")[0] == 0
    with Recording(tmp_path / "seen") as recording:
        masks = [message.image() for message in recording.messages(["/segmentation/mask"])]
    drive = Drive(tmp_path / "drive").pairs(times(3))
    # The second image has two masks; the mask of the third is too late.
    for index, later_ns in ((0, 0), (1, -40 * MS), (1, 5 * MS), (2, 60 * MS)):
        wrong = (masks[index] + 1) % 9
        right = later_ns in (0, 5 * MS)
        stamp = times(3)[index] + later_ns
        drive.add("/ground_truth/mask", stamp, masks[index] if right else wrong, "mono8")
    status, output = evaluate(drive.write())
    found = metrics(output)
    assert status == 0
    assert found["segmentation"]["frames"] == 2
    assert found["segmentation"]["mIoU"] == 1.0
    assert [row["mIoU"] for row in rows(output / "timeline.csv")] == ["1.0", "1.0", ""]


def test_messages_that_the_node_refuses_are_named_and_skipped(tmp_path, evaluate, capsys):
    drive = Drive(tmp_path / "drive").pairs(times(6))
    small = np.zeros((10, 10), np.uint8)
    for index, (topic, stamp, image, encoding) in enumerate(drive.images):
        if index == 1:
            drive.images[index] = topic, stamp, small, encoding  # of the first pair
        if index == 2:
            drive.images[index] = topic, 0, image, encoding
        if index == 4:
            drive.images[index] = topic, stamp, thermal_picture(0, np.float32), "32FC1"
    drive.add("/ground_truth/mask", times(6)[3], np.full(SIZE, 77, np.uint8), "mono8")
    drive.add("/ground_truth/mask", times(6)[4], small, "mono8")
    status, output = evaluate(drive.write())
    found = metrics(output)
    assert status == 1
    assert found["pairs"] == {"paired": 4, "evaluated": 3}
    assert found["dropped"]["rgb_refused"] == 2
    assert found["dropped"]["thermal_without_partner"] == 2
    assert found["dropped"]["pairs_refused"] == 1
    assert "segmentation" not in found
    errors = capsys.readouterr().err
    for named in (
        "/rgb/image: it has no stamp",
        "/rgb/image: encoding '32FC1' is not one of",
        "/thermal/image: it has 10x10 pixels, the RGB image 64x48",
        "/ground_truth/mask: it holds class id 77; the model's are 0 to 8",
        "/ground_truth/mask: it has 10x10 pixels",
    ):
        assert named in errors


def test_a_smaller_thermal_image_by_its_homography(tmp_path, evaluate):
    drive = Drive(tmp_path / "drive")
    for stamp in times(2):
        drive.add("/rgb/image", stamp, rgb_picture(0), "rgb8")
        drive.add("/thermal/image", stamp, thermal_picture(0)[::2, ::2], "mono8")
    status, output = evaluate(drive.write(), "--thermal-to-rgb", 2, 0, 0, 0, 2, 0, 0, 0, 1)
    assert status == 0 and metrics(output)["pairs"]["evaluated"] == 2


def damaged(tmp_path, storage):
    path = Drive(tmp_path / "damaged", storage).pairs(times(30)).write()
    (file,) = path.glob("damaged.*[3p]")
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    return path


@pytest.mark.parametrize("storage", STORAGES)
def test_a_truncated_recording_is_named_and_leaves_nothing(tmp_path, evaluate, storage, capsys):
    path = damaged(tmp_path, storage)
    status, output = evaluate(path, "--record", tmp_path / "seen")
    assert status == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "damaged cannot be read" in line
    assert [item.name for item in tmp_path.iterdir()] == ["damaged"]


@pytest.mark.parametrize(
    ("make", "options", "named"),
    [
        (lambda drive: drive, (), "drive holds no messages"),
        (
            lambda drive: drive.pairs(times(3), 400 * MS),
            (),
            "(the newest stamps are +0.400 s apart",
        ),
        (lambda drive: drive.pairs(times(3)), ("--thermal-topic", "heat"), "no topic /heat"),
        (lambda drive: drive.pairs([0, 0]), (), "no usable image: /rgb/image: it has no stamp"),
        (lambda drive: drive.pairs([0, 0]), (), "or set --rgb-stamps to auto or arrival"),
    ],
)
def test_unusable_recordings_are_refused_in_one_line(
    tmp_path, evaluate, capsys, make, options, named
):
    path = make(Drive(tmp_path / "drive")).write()
    status, output = evaluate(path, *options)
    assert status == 1 and not output.exists()
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert named in line


def test_a_clock_offset_can_be_given(tmp_path, evaluate):
    path = Drive(tmp_path / "drive").pairs(times(3), 400 * MS).write()
    status, output = evaluate(path, "--thermal-time-offset", -0.39)
    assert status == 0
    assert metrics(output)["offset_ms"]["median"] == pytest.approx(10.0)


@pytest.mark.parametrize("stamps", ["auto", "arrival"])
def test_images_without_stamps_are_paired_by_their_arrival(tmp_path, evaluate, stamps):
    drive = Drive(tmp_path / "drive").pairs([0, 0, 0])
    drive.images = drive.images[::2] + drive.images[1::2]  # 0, 1, 2 ms and 3, 4, 5 ms
    (tmp_path / "node.yaml").write_text(
        f"/**:\n  ros__parameters:\n    rgb_stamps: {stamps}\n    slop: 0.01\n"
    )
    options = ("--params-file", tmp_path / "node.yaml", "--thermal-stamps", stamps)
    status, output = evaluate(drive.write(), *options)
    assert status == 0
    stamps_ns = [round(float(row["stamp"].split(".")[1])) for row in rows(output / "timeline.csv")]
    assert set(stamps_ns) <= {0, MS, 2 * MS} and 2 * MS in stamps_ns
    assert metrics(output)["pairing"]["thermal_stamps"] == stamps


@pytest.mark.parametrize("storage", STORAGES)
def test_the_recording_with_results_added(tmp_path, evaluate, storage):
    drive = Drive(tmp_path / "drive", storage).pairs(times(4), 2 * MS)
    drive.add("/other", BEGIN, thermal_picture(9), "mono8")
    path = drive.write()
    status, output = evaluate(path, "--record", tmp_path / "seen")
    assert status == 0
    with Recording(path) as before, Recording(tmp_path / "seen") as after:
        assert after.storage == storage
        originals = list(before.messages(before.topics))
        assert list(after.messages(before.topics)) == originals
        added = {topic: after.count(topic) for topic in after.topics.keys() - before.topics.keys()}
        results = list(after.messages(added))
    names = ("/fused/image", "/segmentation/mask", "/segmentation/confidence")
    assert added == dict.fromkeys((*names, "/objects"), 4)
    for topic in names:
        stamps = [message.stamp_ns for message in results if message.topic == topic]
        assert stamps == times(4)
    first = {message.topic: message for message in reversed(results)}
    assert first["/fused/image"].image().shape == (*SIZE, 3)
    assert first["/segmentation/mask"].image().max() < 9
    assert first["/segmentation/confidence"].image().dtype == np.float32
    assert first["/fused/image"].recorded_ns == originals[1].recorded_ns

    status, output = evaluate(tmp_path / "seen", "--record", tmp_path / "again")
    assert status == 1 and not (tmp_path / "again").exists()


def centikelvin(number):
    return np.full(SIZE, 29315, np.uint16) + thermal_picture(number)


def recorded_objects(path, topic):
    """Messages of a topic of objects, deserialised."""
    with Recording(path) as recording:
        return [
            object_types().deserialize_cdr(message.data, message.type)
            for message in recording.messages([topic])
        ]


def test_objects_and_temperatures_are_recorded_and_listed(tmp_path, evaluate):
    drive = Drive(tmp_path / "drive")
    for number, stamp in enumerate(times(4)):
        drive.add("/rgb/image", stamp, rgb_picture(number), "rgb8")
        drive.add("/thermal/image", stamp, centikelvin(number), "mono16")
    status, output = evaluate(drive.write(), "--record", tmp_path / "seen", "--object-score", "0")
    assert status == 0
    detections = recorded_objects(tmp_path / "seen", "/objects")
    warm = recorded_objects(tmp_path / "seen", "/objects/temperature")
    listed = json.loads((output / "objects.json").read_text())
    table = rows(output / "objects.csv")
    found = [one for message in detections for one in message.detections]
    measured = [one for message in warm for one in message.objects]
    assert len(found) == len(measured) == len(listed) == len(table) > 0
    for one, degrees, entry, row in zip(found, measured, listed, table, strict=True):
        assert one.results[0].hypothesis.class_id == degrees.class_name == entry["class"]
        x, y, width, height = entry["bbox"]
        centre = one.bbox.center.position
        assert (centre.x, centre.y) == pytest.approx((x + width / 2, y + height / 2), abs=0.02)
        assert one.id == degrees.id == str(entry.get("id", "")) == row["id"]
        if degrees.pixels:
            assert 20 <= degrees.mean <= degrees.maximum <= 23
            assert entry["mean"] == pytest.approx(degrees.mean, abs=0.01)
            assert [degrees.x, degrees.y] == entry["hottest"]
    assert any(degrees.pixels for degrees in measured)
    figures = metrics(output)
    assert sum(row["detections"] for row in figures["objects"].values()) == len(listed)
    assert "maximum [C]" in (output / "report.html").read_text()
    coco = pytest.importorskip("pycocotools.coco").COCO(str(output / "objects_coco.json"))
    assert len(coco.getImgIds()) == 4 and len(coco.getAnnIds()) == len(listed)
    for entry, annotation in zip(listed, coco.loadAnns(coco.getAnnIds()), strict=True):
        (image,) = coco.loadImgs(annotation["image_id"])
        (category,) = coco.loadCats(annotation["category_id"])
        assert (image["file_name"], category["name"]) == (entry["image"], entry["class"])
        assert (image["height"], image["width"]) == SIZE and annotation["bbox"] == entry["bbox"]
        assert annotation.get("track_id") == entry.get("id")


def test_id_switches_are_counted_where_identities_are_known(tmp_path, evaluate):
    series = SceneSeries(scenes=1, frames=3, seed=876, conditions=("day",), size=(96, 128))
    write_recording(series, tmp_path / "street", "mcap", quality=80, workers=1)
    status, output = evaluate(tmp_path / "street")
    assert status == 0
    known = metrics(output)["identities"]["person"]
    frames = list(sequence(876, 3, 10.0, (96, 128), "day"))
    sides = [
        (box.thing, min(box.right - box.left, box.bottom - box.top))
        for frame in frames
        for box in frame.boxes
        if box.label == MSRS.class_names.index("person")
    ]
    counted = [thing for thing, side in sides if side >= 12]
    assert (known["boxes"], known["objects"]) == (len(counted), len(set(counted)))
    assert known["found"] <= known["boxes"] and known["id_switches"] == 0
    assert "ID switches" in (output / "report.html").read_text()


def test_a_deidentified_recording_has_only_blurred_images(tmp_path, evaluate):
    path = Drive(tmp_path / "drive").pairs(times(2)).write()
    parameters = tmp_path / "node.yaml"
    blurred = ["car", "person", "bike", "curve"]
    parameters.write_text(f"/**:\n  ros__parameters:\n    blur: {blurred}\n")
    assert evaluate(path, "--record", tmp_path / "plain")[0] == 0
    status, output = evaluate(path, "--record", tmp_path / "blurred", "--params-file", parameters)
    assert status == 0
    assert "/rgb/image, /thermal/image" in " ".join(metrics(output)["warnings"])
    with Recording(tmp_path / "plain") as plain, Recording(tmp_path / "blurred") as seen:
        assert not {"/rgb/image", "/thermal/image"} & seen.topics.keys()
        masks = [message.image() for message in plain.messages(["/segmentation/mask"])]
        pictures = [
            [message.image() for message in recording.messages(["/fused/image"])]
            for recording in (plain, seen)
        ]
    assert any(np.isin(mask, (1, 2, 3, 4)).any() for mask in masks)
    for mask, sharp, coarse in zip(masks, *pictures, strict=True):
        assert np.array_equal(coarse, blur_classes(sharp, mask, (1, 2, 3, 4)))


def test_an_unknown_class_to_blur_is_named(tmp_path, evaluate, capsys):
    path = Drive(tmp_path / "drive").pairs(times(1)).write()
    assert evaluate(path, "--blur", "horse")[0] == 1
    assert "'horse' is unknown; the classes are" in capsys.readouterr().err


def test_several_recordings_with_one_that_is_damaged(tmp_path, evaluate, capsys):
    paths = [Drive(tmp_path / name).pairs(times(n)).write() for name, n in (("a", 3), ("b", 5))]
    (tmp_path / "other").mkdir()
    paths.append(shutil.move(paths[0], tmp_path / "other" / "b"))
    paths[0] = damaged(tmp_path, "mcap")
    (serial, one), (parallel, two) = (evaluate(*paths, "--workers", n) for n in (1, 2))
    assert serial == parallel == 1
    for output in (one, two):
        assert sorted(item.name for item in output.iterdir()) == [
            *("b", "b_2", "summary.json", "summary.md"),
        ]
        summary = json.loads((output / "summary.json").read_text())
        assert [row["pairs"] for row in summary["recordings"]] == [5, 3]
        assert summary["total"]["pairs"] == summary["total"]["fusion"]["frames"] == 8
        (problem,) = summary["problems"]
        assert "damaged cannot be read" in problem
        assert "| b_2 | 3 | 10.0 |" in (output / "summary.md").read_text()
    for name in ("b/timeline.csv", "b_2/rates.csv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert capsys.readouterr().err.count("skipped: ") == 2


def test_several_recordings_that_are_all_damaged(tmp_path, evaluate):
    status, output = evaluate(tmp_path / "absent", damaged(tmp_path, "mcap"), "--workers", 1)
    assert status == 1 and not output.exists()


def test_on_a_dask_cluster(tmp_path, evaluate, capsys):
    distributed = pytest.importorskip("distributed")
    path = Drive(tmp_path / "drive").pairs(times(3)).write()
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        status, output = evaluate(path, tmp_path / "absent", "--cluster", address)
    assert status == 1
    assert "absent does not exist" in capsys.readouterr().err
    assert metrics(output / "drive")["pairs"]["evaluated"] == 3


def test_a_cluster_that_does_not_answer(tmp_path, evaluate, monkeypatch, capsys):
    pytest.importorskip("distributed")
    monkeypatch.setattr(batch, "CLUSTER_TIMEOUT", 0.5)
    path = Drive(tmp_path / "drive").pairs(times(1)).write()
    status, output = evaluate(path, "--cluster", "tcp://127.0.0.1:1")
    assert status == 1 and not output.exists()
    assert "no Dask cluster answers at tcp://127.0.0.1:1" in capsys.readouterr().err


def test_fusion_every_beyond_the_number_of_frames(evaluate, tmp_path):
    with pytest.raises(SystemExit):
        evaluate(tmp_path, "--fusion-every", "0")
