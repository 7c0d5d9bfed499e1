# SPDX-License-Identifier: BSD-3-Clause
"""What bench/run and bench/check are made of; one concern a module."""
