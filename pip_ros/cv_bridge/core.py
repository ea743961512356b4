"""Between image messages and numpy arrays."""

import array
import sys

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from cv_bridge.color import cvtColor2
from cv_bridge.encodings import NUMPY_DEPTHS, getCvType, split_cv_type


class CvBridgeError(TypeError):
    """A message or an image cannot be converted."""


class CvBridge:
    """Converts sensor_msgs/Image and CompressedImage to arrays and back.

    Arrays are (H,W) for one channel, (H,W,C) for more.

    `cvtype_to_name` maps OpenCV's types of 1 to 4 channels to names such as "8UC3",
    `cvdepth_to_numpy_depth` its depths to numpy's names, and `numpy_type_to_cvtype` "uint8" to
    "8U" and "8U" to "uint8", and so on.
    """

    def __init__(self):
        self.cvdepth_to_numpy_depth = {
            getattr(cv2, f"CV_{depth}"): name for depth, name in NUMPY_DEPTHS.items()
        }
        self.cvtype_to_name = {
            getCvType(f"{depth}C{channels}"): f"{depth}C{channels}"
            for depth in NUMPY_DEPTHS
            for channels in range(1, 5)
        }
        self.numpy_type_to_cvtype = NUMPY_DEPTHS | {
            name: depth for depth, name in NUMPY_DEPTHS.items()
        }

    def dtype_with_channels_to_cvtype2(self, dtype: np.dtype, n_channels: int) -> str:
        """Return the name of a type: uint8 and 3 give "8UC3".

        Raises:
            KeyError: OpenCV has no such depth.
        """
        return f"{self.numpy_type_to_cvtype[dtype.name]}C{n_channels}"

    def cvtype2_to_dtype_with_channels(self, cvtype: int) -> tuple[str, int]:
        """Return numpy's name of the depth, and the channels: CV_8UC3 gives "uint8" and 3."""
        depth, channels = split_cv_type(cvtype)
        return self.cvdepth_to_numpy_depth[depth], channels

    def encoding_to_cvtype2(self, encoding: str) -> int:
        """Return OpenCV's type of an encoding: "bgr8" gives CV_8UC3.

        Raises:
            CvBridgeError: the encoding is unknown.
        """
        try:
            return getCvType(encoding)
        except RuntimeError as error:
            raise CvBridgeError(str(error)) from error

    def encoding_to_dtype_with_channels(self, encoding: str) -> tuple[str, int]:
        """Return numpy's name of the depth, and the channels: "bgr8" gives "uint8" and 3.

        Raises:
            CvBridgeError: the encoding is unknown.
        """
        return self.cvtype2_to_dtype_with_channels(self.encoding_to_cvtype2(encoding))

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = "passthrough") -> np.ndarray:
        """Return the image of a message in the byte order of this machine.

        With "passthrough" the array keeps the message's encoding, and shares its memory unless
        padding or byte order forbid it. With another encoding it is a converted copy.

        Raises:
            CvBridgeError: unknown encoding, too small a step, too short a buffer, or no such
                conversion.
        """
        image = self._array_of(img_msg)
        if desired_encoding == "passthrough":
            return image
        return self._convert(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(self, cvim: np.ndarray, encoding: str = "passthrough", header=None) -> Image:
        """Return a message of an image (H,W) or (H,W,C).

        `encoding` names what the channels mean; nothing is converted. "passthrough" names the
        bare type, such as "8UC3". `header` is a std_msgs/Header.

        Raises:
            TypeError: `cvim` is no numpy array.
            CvBridgeError: unknown encoding, or the image is not of its type.
        """
        _check_is_array(cvim)
        channels = 1 if cvim.ndim < 3 else cvim.shape[2]
        bare_type = self.dtype_with_channels_to_cvtype2(cvim.dtype, channels)
        if encoding == "passthrough":
            encoding = bare_type
        elif self.encoding_to_cvtype2(encoding) != getCvType(bare_type):
            raise CvBridgeError(
                f"encoding specified as {encoding}, but image has incompatible type {bare_type}"
            )
        order = sys.byteorder if cvim.dtype.byteorder == "=" else cvim.dtype.byteorder
        message = Image(
            height=cvim.shape[0],
            width=cvim.shape[1],
            encoding=encoding,
            is_bigendian=order in ("big", ">"),
            step=cvim.shape[1] * channels * cvim.dtype.itemsize,
            # The setter takes an array('B') as it is; it walks over anything else byte by byte.
            data=array.array("B", cvim.tobytes()),
        )
        if header is not None:
            message.header = header
        return message

    def compressed_imgmsg_to_cv2(
        self, cmprs_img_msg: CompressedImage, desired_encoding: str = "passthrough"
    ) -> np.ndarray | None:
        """Decode a compressed image as it is stored: gray (H,W), BGR or BGRA, 8 or 16 bits.

        With "passthrough" an image that cannot be decoded gives None. A conversion to any other
        encoding takes the image for BGR, whatever was decoded; gray to "mono8" is an error.

        Raises:
            CvBridgeError: no such conversion, or nothing to convert.
            cv2.error: there is no data at all.
        """
        data = np.frombuffer(cmprs_img_msg.data, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if desired_encoding == "passthrough":
            return image
        if image is None:
            raise CvBridgeError(f"cannot decode the image of format {cmprs_img_msg.format!r}")
        return self._convert(image, "bgr8", desired_encoding)

    def cv2_to_compressed_imgmsg(
        self, cvim: np.ndarray, dst_format: str = "jpg"
    ) -> CompressedImage:
        """Encode a gray, BGR or BGRA image; `dst_format` is a file's suffix without the dot.

        Raises:
            TypeError: `cvim` is no numpy array.
            cv2.error: OpenCV cannot write this format, or not such an image.
        """
        _check_is_array(cvim)
        _, encoded = cv2.imencode(f".{dst_format}", cvim)
        return CompressedImage(format=dst_format, data=array.array("B", encoded.tobytes()))

    def _array_of(self, message: Image) -> np.ndarray:
        name, channels = self.encoding_to_dtype_with_channels(message.encoding)
        dtype = np.dtype(name).newbyteorder(">" if message.is_bigendian else "<")
        pixel = dtype.itemsize * channels
        if message.step < message.width * pixel:
            raise CvBridgeError(
                f"step {message.step} is less than {message.width} pixels of {pixel} bytes"
            )
        if len(message.data) < message.height * message.step:
            raise CvBridgeError(
                f"data has {len(message.data)} bytes, less than {message.height} rows of "
                f"{message.step}"
            )
        shape = (message.height, message.width, channels)
        strides = (message.step, pixel, dtype.itemsize)
        image = np.ndarray(shape, dtype, buffer=message.data, strides=strides)
        if channels == 1:
            image = image[:, :, 0]
        return np.ascontiguousarray(image, dtype=dtype.newbyteorder("="))

    def _convert(self, image: np.ndarray, encoding_in: str, encoding_out: str) -> np.ndarray:
        try:
            return cvtColor2(image, encoding_in, encoding_out)
        except RuntimeError as error:
            raise CvBridgeError(str(error)) from error


def _check_is_array(image) -> None:
    if not isinstance(image, (np.ndarray, np.generic)):
        raise TypeError(f"the image must be a numpy array, not {type(image).__name__}")
