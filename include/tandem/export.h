// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the shared library shows; everything else in it is hidden.
#pragma once

#define TANDEM_API __attribute__((visibility("default")))
