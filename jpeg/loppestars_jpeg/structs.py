"""The part of libjpeg's binary interface that is used, as ctypes structures.

libjpeg-turbo keeps the binary interface of libjpeg 6b (`JPEG_LIB_VERSION` 62, soname `libjpeg.so.62`) stable; the
layouts below are those of its public header jpeglib.h. The library compares the sizes given to `jpeg_Create…` with its
own and refuses a mismatch, so a drift cannot go unnoticed.
"""

import ctypes as c
from typing import Any, Final

LIB_VERSION: Final = 62
DCTSIZE: Final = 8

GRAYSCALE, RGB, YCBCR, CMYK, YCCK = 1, 2, 3, 4, 5
"""Values of J_COLOR_SPACE that a file may have."""
EXT_BGR: Final = 8
"""J_COLOR_SPACE of libjpeg-turbo: blue, green, red bytes."""


class QuantTable(c.Structure):
    """JQUANT_TBL."""

    _fields_ = [("quantval", c.c_uint16 * 64), ("sent_table", c.c_int)]


class Component(c.Structure):
    """jpeg_component_info."""

    _fields_ = [
        ("component_id", c.c_int),
        ("component_index", c.c_int),
        ("h_samp_factor", c.c_int),
        ("v_samp_factor", c.c_int),
        ("quant_tbl_no", c.c_int),
        ("dc_tbl_no", c.c_int),
        ("ac_tbl_no", c.c_int),
        ("width_in_blocks", c.c_uint),
        ("height_in_blocks", c.c_uint),
        ("dct_scaled_size", c.c_int),
        ("downsampled_width", c.c_uint),
        ("downsampled_height", c.c_uint),
        ("component_needed", c.c_int),
        ("mcu_geometry", c.c_int * 6),
        ("quant_table", c.POINTER(QuantTable)),
        ("dct_table", c.c_void_p),
    ]


ErrorCallback = c.CFUNCTYPE(None, c.c_void_p)


MessageCallback = c.CFUNCTYPE(None, c.c_void_p, c.c_int)


class ErrorManager(c.Structure):
    """jpeg_error_mgr."""

    _fields_ = [
        ("error_exit", ErrorCallback),
        ("emit_message", MessageCallback),
        ("output_message", ErrorCallback),
        ("format_message", c.CFUNCTYPE(None, c.c_void_p, c.c_char_p)),
        ("reset_error_mgr", c.c_void_p),
        ("msg_code", c.c_int),
        ("msg_parm", c.c_char * 80),
        ("trace_level", c.c_int),
        ("num_warnings", c.c_long),
        ("jpeg_message_table", c.c_void_p),
        ("last_jpeg_message", c.c_int),
        ("addon_message_table", c.c_void_p),
        ("first_addon_message", c.c_int),
        ("last_addon_message", c.c_int),
    ]


BlockRows = c.POINTER(c.c_void_p)


class MemoryManager(c.Structure):
    """jpeg_memory_mgr."""

    _fields_ = [
        ("alloc_small", c.c_void_p),
        ("alloc_large", c.c_void_p),
        ("alloc_sarray", c.c_void_p),
        ("alloc_barray", c.c_void_p),
        ("request_virt_sarray", c.c_void_p),
        (
            "request_virt_barray",
            c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_int, c.c_int, c.c_uint, c.c_uint, c.c_uint),
        ),
        ("realize_virt_arrays", c.CFUNCTYPE(None, c.c_void_p)),
        ("access_virt_sarray", c.c_void_p),
        ("access_virt_barray", c.CFUNCTYPE(BlockRows, c.c_void_p, c.c_void_p, c.c_uint, c.c_uint, c.c_int)),
        ("free_pool", c.c_void_p),
        ("self_destruct", c.c_void_p),
        ("max_memory_to_use", c.c_long),
        ("max_alloc_chunk", c.c_long),
    ]


_COMMON: list[tuple[str, Any]] = [
    ("err", c.POINTER(ErrorManager)),
    ("mem", c.POINTER(MemoryManager)),
    ("progress", c.c_void_p),
    ("client_data", c.c_void_p),
    ("is_decompressor", c.c_int),
    ("global_state", c.c_int),
]

_ARITHMETIC: list[tuple[str, Any]] = [
    ("arith_dc_l", c.c_uint8 * 16),
    ("arith_dc_u", c.c_uint8 * 16),
    ("arith_ac_k", c.c_uint8 * 16),
]


class Decompress(c.Structure):
    """jpeg_decompress_struct."""

    _fields_ = [
        *_COMMON,
        ("src", c.c_void_p),
        ("image_width", c.c_uint),
        ("image_height", c.c_uint),
        ("num_components", c.c_int),
        ("jpeg_color_space", c.c_int),
        ("out_color_space", c.c_int),
        ("scale_num", c.c_uint),
        ("scale_denom", c.c_uint),
        ("output_gamma", c.c_double),
        ("buffered_image", c.c_int),
        ("raw_data_out", c.c_int),
        ("dct_method", c.c_int),
        ("do_fancy_upsampling", c.c_int),
        ("do_block_smoothing", c.c_int),
        ("quantize_colors", c.c_int),
        ("dither_mode", c.c_int),
        ("two_pass_quantize", c.c_int),
        ("desired_number_of_colors", c.c_int),
        ("enable_quant", c.c_int * 3),
        ("output_width", c.c_uint),
        ("output_height", c.c_uint),
        ("out_color_components", c.c_int),
        ("output_components", c.c_int),
        ("rec_outbuf_height", c.c_int),
        ("actual_number_of_colors", c.c_int),
        ("colormap", c.c_void_p),
        ("output_scanline", c.c_uint),
        ("input_scan_number", c.c_int),
        ("input_imcu_row", c.c_uint),
        ("output_scan_number", c.c_int),
        ("output_imcu_row", c.c_uint),
        ("coef_bits", c.c_void_p),
        ("quant_tbl_ptrs", c.POINTER(QuantTable) * 4),
        ("dc_huff_tbl_ptrs", c.c_void_p * 4),
        ("ac_huff_tbl_ptrs", c.c_void_p * 4),
        ("data_precision", c.c_int),
        ("comp_info", c.POINTER(Component)),
        ("progressive_mode", c.c_int),
        ("arith_code", c.c_int),
        *_ARITHMETIC,
        ("restart_interval", c.c_uint),
        ("saw_jfif_marker", c.c_int),
        ("jfif_major_version", c.c_uint8),
        ("jfif_minor_version", c.c_uint8),
        ("density_unit", c.c_uint8),
        ("x_density", c.c_uint16),
        ("y_density", c.c_uint16),
        ("saw_adobe_marker", c.c_int),
        ("adobe_transform", c.c_uint8),
        ("ccir601_sampling", c.c_int),
        ("marker_list", c.c_void_p),
        ("max_h_samp_factor", c.c_int),
        ("max_v_samp_factor", c.c_int),
        ("min_dct_scaled_size", c.c_int),
        ("total_imcu_rows", c.c_uint),
        ("sample_range_limit", c.c_void_p),
        ("comps_in_scan", c.c_int),
        ("cur_comp_info", c.c_void_p * 4),
        ("mcus_per_row", c.c_uint),
        ("mcu_rows_in_scan", c.c_uint),
        ("blocks_in_mcu", c.c_int),
        ("mcu_membership", c.c_int * 10),
        ("spectral", c.c_int * 4),
        ("unread_marker", c.c_int),
        ("modules", c.c_void_p * 11),
    ]


class Compress(c.Structure):
    """jpeg_compress_struct."""

    _fields_ = [
        *_COMMON,
        ("dest", c.c_void_p),
        ("image_width", c.c_uint),
        ("image_height", c.c_uint),
        ("input_components", c.c_int),
        ("in_color_space", c.c_int),
        ("input_gamma", c.c_double),
        ("data_precision", c.c_int),
        ("num_components", c.c_int),
        ("jpeg_color_space", c.c_int),
        ("comp_info", c.POINTER(Component)),
        ("quant_tbl_ptrs", c.POINTER(QuantTable) * 4),
        ("dc_huff_tbl_ptrs", c.c_void_p * 4),
        ("ac_huff_tbl_ptrs", c.c_void_p * 4),
        *_ARITHMETIC,
        ("num_scans", c.c_int),
        ("scan_info", c.c_void_p),
        ("raw_data_in", c.c_int),
        ("arith_code", c.c_int),
        ("optimize_coding", c.c_int),
        ("ccir601_sampling", c.c_int),
        ("smoothing_factor", c.c_int),
        ("dct_method", c.c_int),
        ("restart_interval", c.c_uint),
        ("restart_in_rows", c.c_int),
        ("write_jfif_header", c.c_int),
        ("jfif_major_version", c.c_uint8),
        ("jfif_minor_version", c.c_uint8),
        ("density_unit", c.c_uint8),
        ("x_density", c.c_uint16),
        ("y_density", c.c_uint16),
        ("write_adobe_marker", c.c_int),
        ("next_scanline", c.c_uint),
        ("progressive_mode", c.c_int),
        ("max_h_samp_factor", c.c_int),
        ("max_v_samp_factor", c.c_int),
        ("total_imcu_rows", c.c_uint),
        ("comps_in_scan", c.c_int),
        ("cur_comp_info", c.c_void_p * 4),
        ("mcus_per_row", c.c_uint),
        ("mcu_rows_in_scan", c.c_uint),
        ("blocks_in_mcu", c.c_int),
        ("mcu_membership", c.c_int * 10),
        ("spectral", c.c_int * 4),
        ("modules", c.c_void_p * 9),
        ("script_space", c.c_void_p),
        ("script_space_size", c.c_int),
    ]
