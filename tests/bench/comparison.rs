//! Compares the measurements of two programs.

/// Two medians and the spread of their ratio.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    pub ours: f64,
    pub theirs: f64,
    /// Lower and upper quartile of the ratios of two runs that followed each other.
    quartiles: [f64; 2],
}

impl Comparison {
    /// Compares the runs of two programs that alternated.
    pub fn new(ours: &[f64], theirs: &[f64]) -> Comparison {
        let ratios: Vec<f64> =
            ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        Comparison {
            ours: quantile(ours, 0.5),
            theirs: quantile(theirs, 0.5),
            quartiles: [0.25, 0.75].map(|share| quantile(&ratios, share)),
        }
    }

    /// Formats the ratio of the medians and its quartiles.
    pub fn ratio(&self) -> String {
        let [low, high] = self.quartiles;
        format!("{:.2} ({low:.2}-{high:.2})", self.ours / self.theirs)
    }
}

fn quantile(measured: &[f64], share: f64) -> f64 {
    let mut all = measured.to_vec();
    all.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the index is between 0 and the small number of measurements"
    )]
    let index = (all.len() as f64 * share) as usize;
    all.get(index).copied().unwrap_or(f64::NAN)
}
