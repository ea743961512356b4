"""Choice of the camera topics in a recording."""

import pytest

from difusionseg_core.recordings.topic_choice import TopicError, choose_topics

RAW, PACKED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"


def types(*topics):
    """Types by topic: compressed by its ending, camera_info by its name."""
    return {
        topic: INFO if topic.endswith("info") else (PACKED if "/compressed" in topic else RAW)
        for topic in topics
    }


@pytest.mark.parametrize(
    ("topics", "rgb", "thermal"),
    [
        (["/rgb/image", "/thermal/image"], 0, 1),
        (["/robot/rgb/image/compressed", "/robot/thermal/image"], 0, 1),
        (["/camera/color/image_raw", "/flir_boson/image_raw"], 0, 1),
        (["/usb_cam/image_raw/compressed", "/lepton/image_raw"], 0, 1),
        (["/image_raw", "/thermal_camera/image/compressed"], 0, 1),
        (["/cam0/image_raw", "/cam_ir/image_raw"], 0, 1),
        (["/front/lwir", "/front/rgb"], 1, 0),
        (["/camera/infra1/image_rect_raw", "/camera/color/image_raw"], 1, 0),
        (["/optris/thermal_image", "/first_camera/image"], 1, 0),
        (["/rgb/image", "/thermal/image", "/thermal2/image"], 0, 1),
        (["/a/image", "/thermal/image_raw", "/depth/image", "/segmentation/mask"], 0, 1),
        (["/thermal/image_raw/compressedDepth", "/color/image_raw/compressed"], 1, 0),
    ],
)
def test_cameras_are_found_by_type_and_name(topics, rgb, thermal):
    chosen = choose_topics(types(*topics, "/odom/info"))
    assert (chosen.rgb, chosen.thermal) == (topics[rgb], topics[thermal])


def test_the_uncompressed_topic_is_taken_if_both_were_recorded():
    chosen = choose_topics(
        types("/color/image/compressed", "/color/image", "/ir/image", "/ir/image/compressed")
    )
    assert (chosen.rgb, chosen.thermal) == ("/color/image", "/ir/image")


@pytest.mark.parametrize("name", ["/cam/image_raw", "cam/image_raw/compressed"])
def test_base_topic_names_are_accepted(name):
    chosen = choose_topics(types("/cam/image_raw/compressed", "/ir/image"), rgb=name)
    assert chosen.rgb == "/cam/image_raw/compressed"


def test_camera_info_is_in_the_namespace_of_its_image():
    chosen = choose_topics(
        types("/a/image_raw/compressed", "/a/camera_info", "/ir/image", "/ir/camera_info")
    )
    assert (chosen.camera_info, chosen.thermal_camera_info) == ("/a/camera_info", "/ir/camera_info")


@pytest.mark.parametrize(
    ("topics", "words"),
    [
        (["/left/image", "/right/image", "/ir/image"], "RGB images: /left/image, /right/image"),
        (["/rgb/image", "/lepton/image", "/boson/image"], "be thermal images: /boson/image, /lep"),
        (["/a/rgb/image", "/b/rgb/image", "/ir/image"], "several topics rgb/image: /a/rgb/image"),
        (["/rgb/image", "/first/image"], "no thermal topic thermal/image, nor one whose name"),
        (["/ir/image"], "no RGB topic rgb/image"),
        (["/odom/info"], "it has no image topic, only /odom/info"),
    ],
)
def test_an_ambiguous_topic_is_an_error_with_a_list(topics, words):
    with pytest.raises(TopicError, match=words) as caught:
        choose_topics(types(*topics))
    assert "\n" not in str(caught.value)


def test_a_name_that_does_not_exist():
    with pytest.raises(TopicError, match="no topic /heat with thermal images; its image topics"):
        choose_topics(types("/rgb/image"), thermal="heat")
    with pytest.raises(TopicError, match="no topic /x of type .*; it has /rgb/camera_info"):
        choose_topics(types("/rgb/image", "/ir/image", "/rgb/camera_info"), camera_info="x")
