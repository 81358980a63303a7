"""One JPEG photo held as DCT coefficients: looked at small, edited by blocks, written again.

The entropy-coded data is decoded once (libjpeg's buffered-image mode); the small picture for detection and the edited
file both come from the same coefficients.
"""

import ctypes as c
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from loppestars_jpeg import structs
from loppestars_jpeg.damage import Severity, judge
from loppestars_jpeg.errors import JpegDamaged, LibjpegGaveUp
from loppestars_jpeg.library import Guard, Library
from loppestars_jpeg.structure import JpegStructure

_ACCURATE: Final = 0  # JDCT_ISLOW: of a face of twenty pixels, a detector needs all that people see
_REACHED_EOI: Final = 2
_MAX_SCANS: Final = 200  # a progressive photo has about ten; more is a way to burn time
_IMAGE_POOL: Final = 1
_ICC_CHUNK: Final = 65519  # bytes of profile that fit one APP2 marker

_BLOCK_BYTES: Final = 64 * 2

Coefficients = npt.NDArray[np.int16]


class Plane:
    """The coefficients of one component.

    Attributes:
        blocks: libjpeg's own memory, writable: (rows, columns, 64) values in natural order.
        h: horizontal sampling factor.
        v: vertical sampling factor.
    """

    def __init__(self, decoder: structs.Decompress, array: int, component: structs.Component) -> None:
        self.h = component.h_samp_factor
        self.v = component.v_samp_factor
        self.columns = _round_up(component.width_in_blocks, self.h)
        self.rows = _round_up(component.height_in_blocks, self.v)
        size = self.columns * _BLOCK_BYTES
        # Every row in order: libjpeg refuses to skip rows of an array that nobody has written yet.
        access, at = decoder.mem.contents.access_virt_barray, c.addressof(decoder)
        rows = [int(access(at, array, index, 1, 1)[0]) for index in range(self.rows)]
        first = rows[0]
        if any(row != first + index * size for index, row in enumerate(rows)):
            # libjpeg-turbo allocates an array at once; another library may not, and then we decode instead.
            raise LibjpegGaveUp("the coefficients are not in one piece")
        buffer = (c.c_int16 * (self.rows * self.columns * 64)).from_address(first)
        self.blocks: Coefficients = np.ctypeslib.as_array(buffer).reshape(self.rows, self.columns, 64)


class CoefficientPhoto:
    """A JPEG opened for editing; use as a context manager. Raises JpegDamaged and LibjpegGaveUp."""

    def __init__(self, library: Library, data: bytes, structure: JpegStructure) -> None:
        self.structure = structure
        self._library = library
        self._data = data
        self._guard = Guard(library)
        self.decoder = structs.Decompress()
        self.decoder.err = c.pointer(self._guard.manager)
        self._sources: list[int] = []
        self._targets: list[int] = []

    def __enter__(self) -> Self:
        self._guard.run(self._open)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._guard.abandoned:
            self._guard.run(lambda: self._library.destroy_decompress(c.byref(self.decoder)))

    @property
    def components(self) -> list[structs.Component]:
        """Component descriptions of the stored (not yet turned) photo."""
        return [self.decoder.comp_info[i] for i in range(self.decoder.num_components)]

    @property
    def sources(self) -> list[Plane]:
        """The planes as stored; raise LibjpegGaveUp where their memory is not in one piece."""
        return self._planes(self._sources, self.components)

    @property
    def targets(self) -> list[Plane]:
        """The planes as written: the stored ones, or room for turned ones."""
        if not self._targets:
            return self.sources
        turned = [_transposed(part) if self.structure.turn.transpose else part for part in self.components]
        return self._planes(self._targets, turned)

    def _planes(self, arrays: list[int], parts: list[structs.Component]) -> list[Plane]:
        def open_planes() -> list[Plane]:
            return [Plane(self.decoder, array, part) for array, part in zip(arrays, parts, strict=True)]

        return self._guard.run(open_planes)

    def look(self, eighths: int) -> npt.NDArray[np.uint8]:
        """Decode everything, and return the photo at `eighths`/8 of its size as stored: (rows, columns, channels).

        Channels are BGR, gray, or CMYK as the file has them. Two eighths is the least: below, libjpeg skips
        coefficients that are needed for writing.
        """
        if not 2 <= eighths <= 8:  # noqa: PLR2004 - as said above
            raise ValueError("eighths is 2 to 8")
        return self._guard.run(lambda: self._read(eighths))

    def shrunk(self, eighths: int) -> npt.NDArray[np.uint8]:
        """Return the photo at `eighths`/8 of its size, and keep nothing that could be written.

        A photo in one pass is decoded row by row, without memory for its coefficients.
        """
        return self._guard.run(lambda: self._read(eighths, keep=False))

    def write(self, icc: bytes | None = None) -> bytes:
        """Return the photo with its blocks as they are now, and no metadata except this colour profile."""
        return self._guard.run(lambda: self._write(icc or b""))

    def _open(self) -> None:
        lib, handle = self._library, c.byref(self.decoder)
        lib.create_decompress(handle, structs.LIB_VERSION, c.sizeof(self.decoder))
        lib.mem_src(handle, c.cast(c.c_char_p(self._data), c.c_void_p), len(self._data))
        lib.read_header(handle, 1)
        found = (self.decoder.image_width, self.decoder.image_height)
        if found != (self.structure.width, self.structure.height):
            raise JpegDamaged("its headers contradict each other")
        if self.structure.turn.transpose or self.structure.turn.mirror_x or self.structure.turn.mirror_y:
            shapes = [_transposed(part) if self.structure.turn.transpose else part for part in self.components]
            request, at = self.decoder.mem.contents.request_virt_barray, c.addressof(self.decoder)
            for shape in shapes:
                h, v = shape.h_samp_factor, shape.v_samp_factor
                columns, rows = _round_up(shape.width_in_blocks, h), _round_up(shape.height_in_blocks, v)
                self._targets.append(int(request(at, _IMAGE_POOL, 0, columns, rows, v)))

    def _read(self, eighths: int, *, keep: bool = True) -> npt.NDArray[np.uint8]:
        lib, decoder, handle = self._library, self.decoder, c.byref(self.decoder)
        passes = keep or bool(lib.has_multiple_scans(handle))
        decoder.buffered_image = passes
        decoder.scale_num, decoder.scale_denom = eighths, 8
        decoder.dct_method = _ACCURATE
        decoder.do_fancy_upsampling = 1
        if decoder.jpeg_color_space in {structs.YCBCR, structs.RGB}:
            decoder.out_color_space = structs.EXT_BGR
        lib.start_decompress(handle)
        if passes:
            while lib.consume_input(handle) != _REACHED_EOI:
                if decoder.input_scan_number > _MAX_SCANS:
                    raise JpegDamaged(f"it has more than {_MAX_SCANS} scans")
            self._refuse_damage()
            lib.start_output(handle, decoder.input_scan_number)
        pixels = np.empty((decoder.output_height, decoder.output_width, decoder.output_components), np.uint8)
        addresses = pixels.ctypes.data + np.arange(len(pixels), dtype=np.uintp) * pixels.strides[0]
        at, first = 0, addresses.ctypes.data
        while at < len(pixels):
            at += lib.read_scanlines(handle, first + at * addresses.itemsize, len(pixels) - at)
        if passes:
            lib.finish_output(handle)
        else:
            lib.finish_decompress(handle)
            self._refuse_damage()
        if keep:
            arrays = lib.read_coefficients(handle)
            self._sources = [arrays[i] for i in range(decoder.num_components)]  # type: ignore[index]  # a C array
        return pixels

    def _refuse_damage(self) -> None:
        """Refuse truncated or damaged data, and give up on what is only fit to be decoded."""
        judged = {judge(warning): warning for warning in self._guard.warnings}
        # libjpeg latches a component's table when its first scan begins: without one, the component never came.
        incomplete = any(not part.quant_table for part in self.components)
        if Severity.DAMAGED in judged or incomplete:
            raise JpegDamaged("it is truncated or damaged")
        if Severity.ODD in judged:
            raise LibjpegGaveUp(judged[Severity.ODD])

    def _write(self, icc: bytes) -> bytes:
        lib, encoder = self._library, structs.Compress()
        handle = c.byref(encoder)
        encoder.err = c.pointer(self._guard.manager)
        lib.create_compress(handle, structs.LIB_VERSION, c.sizeof(encoder))
        buffer, size = c.POINTER(c.c_ubyte)(), c.c_ulong()
        try:
            lib.mem_dest(handle, c.byref(buffer), c.byref(size))
            lib.copy_critical_parameters(c.byref(self.decoder), handle)
            if self.structure.turn.transpose:
                _transpose_parameters(encoder)
            encoder.optimize_coding = 0
            if self.structure.progressive:
                lib.simple_progression(handle)
            planes = self._targets or self._sources
            arrays = (c.c_void_p * len(planes))(*planes)  # libjpeg reads from it until jpeg_finish_compress
            lib.write_coefficients(handle, arrays)
            chunks = [icc[at : at + _ICC_CHUNK] for at in range(0, len(icc), _ICC_CHUNK)]
            for number, chunk in enumerate(chunks, start=1):
                body = b"ICC_PROFILE\0" + bytes((number, len(chunks))) + chunk
                lib.write_marker(handle, 0xE2, body, len(body))
            lib.finish_compress(handle)
            return c.string_at(buffer, size.value)
        finally:
            lib.destroy_compress(handle)
            lib.free(buffer)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _transposed(part: structs.Component) -> structs.Component:
    copy = structs.Component()
    copy.h_samp_factor, copy.v_samp_factor = part.v_samp_factor, part.h_samp_factor
    copy.width_in_blocks, copy.height_in_blocks = part.height_in_blocks, part.width_in_blocks
    return copy


def _transpose_parameters(encoder: structs.Compress) -> None:
    """Swap what belongs to the axes: size, sampling factors and quantisation tables."""
    encoder.image_width, encoder.image_height = encoder.image_height, encoder.image_width
    for index in range(encoder.num_components):
        part = encoder.comp_info[index]
        part.h_samp_factor, part.v_samp_factor = part.v_samp_factor, part.h_samp_factor
    for table in encoder.quant_tbl_ptrs:
        if table:
            values = np.ctypeslib.as_array(table.contents.quantval).reshape(8, 8)
            values[:] = values.T.copy()
