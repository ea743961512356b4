"""The meaning of each metric in a report, in one sentence."""

TERMS = {
    "mean IoU": "per class, the pixels that prediction and truth share, divided by those that "
    "either has; averaged over classes (0 to 1, higher is better)",
    "mean class accuracy": "share of a class's true pixels that are predicted as it, averaged over "
    "classes (0 to 1, higher is better)",
    "overall accuracy": "share of all pixels with the right class; dominated by large classes",
    "frequency-weighted IoU": "IoU averaged over classes, weighted by their true pixels",
    "boundary F1": "how well outlines agree, within 0.75 % of the image's diagonal (0 to 1)",
    "IoU": "pixels that prediction and truth share, divided by those that either has (0 to 1)",
    "accuracy": "share of the class's true pixels that are predicted as it (0 to 1)",
    "box F1": "of masks: harmonic mean of the share of annotated boxes found and the share of "
    "pixels inside boxes (0 to 1)",
    "AP50": "average precision of objects as boxes that overlap a true box by IoU 0.5 or more "
    "(0 to 1, COCO)",
    "AP": "average precision of objects as boxes, averaged over IoU 0.5 to 0.95 (0 to 1, COCO)",
    "ECE": "expected calibration error: distance of confidence from accuracy (0 is perfect)",
    "EN": "entropy of the fused image: how much information its grey levels hold [bits]",
    "SD": "standard deviation of the fused image: its contrast",
    "SF": "spatial frequency of the fused image: its detail",
    "AG": "average gradient of the fused image: its sharpness",
    "MI": "mutual information: information of both sources in the fused image [bits]",
    "SCD": "sum of the correlations of differences: how much of each source was carried over",
    "CC": "correlation with both sources (-1 to 1)",
    "VIF": "visual information fidelity: information of both sources that a viewer still sees",
    "Qabf": "how well the edges of both sources are preserved (0 to 1)",
    "SSIM": "structural similarity to both sources (-1 to 1)",
    "MS_SSIM": "structural similarity at several scales (0 to 1)",
    "PSNR": "peak signal-to-noise ratio against both sources [dB]",
    "MSE": "mean squared error against both sources (lower is better)",
    "jitter [ms]": "standard deviation of the intervals between images, without gaps",
    "gaps": "intervals of more than 1.5 times the median: images were lost",
    "late": "images not newer than the one before, which the node leaves out",
    "jumps back": "times that stamps went back by more than the slop",
    "refused": "images that the node cannot use; the section on faults names them",
    "recorded after stamp [ms]": "median delay from the time stamp to the recorder",
}
"""Meaning by the name that tables use."""
TERMS |= {
    "mIoU": TERMS["mean IoU"],
    "mIoU_without_0": "mean IoU over the classes other than class 0 (the background)",
    "mAcc": TERMS["mean class accuracy"],
    "fwIoU": TERMS["frequency-weighted IoU"],
    "boundary_F1": TERMS["boundary F1"],
    "box_F1": TERMS["box F1"],
}
