// SPDX-License-Identifier: MIT

// Package shape is what main imports.
package shape

import "math"

// Area of a regular polygon.
func Area(sides int, length float64) float64 {
	return float64(sides) * length * length / (4 * math.Tan(math.Pi/float64(sides)))
}
