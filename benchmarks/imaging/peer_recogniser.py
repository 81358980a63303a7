"""Describes faces by dlib's recogniser (128 numbers each); runs in an environment of its own, see `identity.py`.

Reads a path per line of an array of heads (people, side, side, 3; RGB) with the face in the middle half, and answers
with the path of their descriptors. A head in which no landmarks fit is described all the same: its place is known.
"""

import hashlib
import importlib.metadata
import sys
from pathlib import Path
from typing import Final

import dlib
import numpy as np

_WEIGHTS: Final = {
    "shape_predictor_5_face_landmarks.dat": "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    "dlib_face_recognition_resnet_model_v1.dat": "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}


def weights(name: str) -> str:
    """Return where a weights file is; raise RuntimeError when its bytes are not the pinned ones."""
    for file in importlib.metadata.files("face_recognition_models") or []:
        if file.name == name:
            path = Path(str(file.locate()))
            if hashlib.sha256(path.read_bytes()).hexdigest() != _WEIGHTS[name]:
                raise RuntimeError(f"{name} is not the pinned file")
            return str(path)
    raise RuntimeError("face_recognition_models is not installed")


def main() -> None:
    """Answer until standard input closes."""
    shapes = dlib.shape_predictor(weights("shape_predictor_5_face_landmarks.dat"))
    recogniser = dlib.face_recognition_model_v1(weights("dlib_face_recognition_resnet_model_v1.dat"))
    for line in sys.stdin:
        heads = np.load(line.strip())
        side = heads.shape[1]
        place = dlib.rectangle(side // 4, side // 4, side - side // 4, side - side // 4)
        found = [recogniser.compute_face_descriptor(head, shapes(head, place)) for head in heads]
        target = Path(line.strip()).with_suffix(".described.npy")
        np.save(target, np.array(found, np.float32))
        print(target, flush=True)


if __name__ == "__main__":
    main()
