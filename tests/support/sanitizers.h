// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether a test is built with sanitizers, which GCC says by macros and clang by features:
// TANDEM_ADDRESS_SANITIZER and TANDEM_THREAD_SANITIZER are 1 or 0.
#pragma once

#if defined(__has_feature)
#define TANDEM_HAS_FEATURE(name) __has_feature(name)
#else
#define TANDEM_HAS_FEATURE(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || TANDEM_HAS_FEATURE(address_sanitizer)
#define TANDEM_ADDRESS_SANITIZER 1
#else
#define TANDEM_ADDRESS_SANITIZER 0
#endif

#if defined(__SANITIZE_THREAD__) || TANDEM_HAS_FEATURE(thread_sanitizer)
#define TANDEM_THREAD_SANITIZER 1
#else
#define TANDEM_THREAD_SANITIZER 0
#endif
