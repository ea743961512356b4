"""Image messages in all camera encodings, without ROS; for tests and examples."""

from types import SimpleNamespace

import cv2
import numpy as np

PATTERNS = ("rggb", "bggr", "gbrg", "grbg")


def raw(pixels, encoding, big_endian=False, padding=0, height=None):
    """Return an Image of an array whose rows are rows of the message."""
    stored = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = np.frombuffer(stored.tobytes(), np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return SimpleNamespace(
        height=height or pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=rows.shape[1],
        is_bigendian=int(big_endian),
        data=rows.ravel(),
    )


def compressed(stored, format, ending="png", header=b"", options=()):
    """Return a CompressedImage of an array in OpenCV's order."""
    data = cv2.imencode(f".{ending}", stored, list(options))[1].tobytes()
    return SimpleNamespace(format=format, data=np.frombuffer(header + data, np.uint8))


def mosaic(rgb, pattern):
    """Return (H, W): the channel of each pixel that a Bayer filter of this pattern passes."""
    image = np.empty(rgb.shape[:2], rgb.dtype)
    for place, color in enumerate(pattern):
        row, column = divmod(place, 2)
        image[row::2, column::2] = rgb[row::2, column::2, "rgb".index(color)]
    return image


def yuv(rgb):
    """Map (H, W, 3) uint8 RGB to Y, U, V of BT.601 in video range, full resolution, uint8."""
    matrix = [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]
    values = rgb.astype(float) / 255 @ np.transpose(matrix) + (16, 128, 128)
    return np.moveaxis(np.rint(values).astype(np.uint8), -1, 0)


def packed_yuv(rgb, luma_first):
    """Return (H, W, 2): YUYV or UYVY."""
    y, u, v = yuv(rgb)
    chroma = np.where(np.arange(rgb.shape[1]) % 2 == 0, u, np.roll(v, 1, axis=1))
    return np.stack((y, chroma) if luma_first else (chroma, y), axis=-1)


def planar_yuv(rgb, encoding):
    """Return (rows, W): the planes of nv12, nv21 or nv24."""
    y, u, v = yuv(rgb)
    if encoding == "nv24":
        return np.concatenate([y, np.stack([u, v], axis=-1).reshape(-1, rgb.shape[1])])
    u, v = u[::2, ::2], v[::2, ::2]
    first, second = (u, v) if encoding == "nv12" else (v, u)
    return np.concatenate([y, np.stack([first, second], axis=-1).reshape(-1, rgb.shape[1])])


def rgb_messages(rgb):
    """Return an RGB image of even size in each lossless encoding: messages by encoding."""
    alpha = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    orders = {
        "rgb": rgb,
        "bgr": rgb[..., ::-1],
        "rgba": np.dstack([rgb, alpha]),
        "bgra": np.dstack([rgb[..., ::-1], alpha]),
    }
    orders |= {"8UC3": orders["bgr"], "8UC4": orders["bgra"]}
    messages = {}
    for name, pixels in orders.items():
        if name.startswith("8UC"):
            messages[name] = raw(pixels, name)
            messages["16" + name[1:]] = raw(pixels.astype(np.uint16) * 257, "16" + name[1:])
        else:
            messages[f"{name}8"] = raw(pixels, f"{name}8")
            messages[f"{name}16"] = raw(pixels.astype(np.uint16) * 257, f"{name}16")
    return messages
