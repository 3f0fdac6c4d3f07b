"""What every suite shares: programs, contenders, timing and the printed report."""
