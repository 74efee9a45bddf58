// SPDX-License-Identifier: MIT
package shape

import (
	"math"
	"testing"
)

func TestArea(t *testing.T) {
	if got := Area(4, 2); math.Abs(got-4) > 1e-12 {
		t.Fatalf("Area(4, 2) = %v", got)
	}
}

func BenchmarkArea(b *testing.B) {
	for i := 0; i < b.N; i++ {
		Area(i%9+3, 1)
	}
}
